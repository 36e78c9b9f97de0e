"""Makes an installation ready: `python -m services.initialise`, which `llmchat init` starts.

It goes by the settings that the services themselves go by, and may be repeated: what is there stays as it is. What is
written is written by the services' own code, in a process of all five that listens for itself alone and leaves what
goes on in the background to others.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN

from libs.client.operator import Operator
from libs.common.errors import Invalid, Precondition
from libs.common.logs import configure_logging
from libs.common.main import failing_in_one_line
from libs.common.process import Process, open_process
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES, Settings
from libs.common.store.copying import Contents, contents
from libs.common.store.open import open_engine
from libs.common.store.port import CollectionSpec, Query, Store
from services.__main__ import EMBEDDED
from services.catalog.collections import MODELS
from services.firebase_rules import deploy
from services.initial_settings import InitialSettings
from services.operations.collections import SYSTEM_CONFIG
from services.owned import held_by
from services.users.collections import USERNAMES, USERS
from services.users.user import username_id

# Seconds: that what is done in an operator's name may take, and one call of it.
_TOKEN_LIFE = 600
_CALL = 30.0
# Who did it, as migrations keep it.
_WHO = "operator"


async def rules(settings: Settings, initial: InitialSettings) -> str:
    """Puts the rules in place without which a Realtime Database is no store."""
    databases = await deploy({service: settings.store_of(service) for service in SERVICES})
    return f"those of {len(databases)} databases are in place" if databases else "none are needed"


async def collections(settings: Settings, initial: InitialSettings) -> str:
    """Opens the store of each service, which makes the tables and indexes that are missing."""
    for service in SERVICES:
        async with _opened(settings, service) as store:
            await store.ping()
    return f"{sum(len(held_by(service)) for service in SERVICES)} of {len(SERVICES)} services are there"


async def system_documents(settings: Settings, initial: InitialSettings) -> str:
    """Has the services write what each of them begins with: the system's configuration and the catalog."""
    before = await _begun_with(settings)
    async with _process(settings):
        pass
    after = await _begun_with(settings)
    return ", ".join(_told(name, before[name], after[name]) for name in after)


async def migrations(settings: Settings, initial: InitialSettings) -> str:
    """Applies the migrations of an installation that nobody has an account in, where they have nothing to rewrite.

    In another one they are left to an operator, who knows which versions run there.
    """
    async with _opened(settings, "users") as store:
        is_new = not await store.query(Query.by_id(USERS, limit=1))
    applied = pending = 0
    async with _process(settings) as process:
        for runner in process.runners:
            waiting = await runner.pending()
            if waiting and is_new:
                async for _ in runner.up(_WHO):
                    pass
                applied += len(waiting)
            else:
                pending += len(waiting)
    if pending:
        return f"{pending} are pending: `llmchat migrate up`, once every replica is of this version"
    return f"{applied} applied" if applied else "none is pending"


async def administrator(settings: Settings, initial: InitialSettings) -> str:
    """Opens an account for an administrator, or makes one of the account that is there.

    Raises:
        Precondition: there is no such account, and no password to open one with (reason PASSWORD_MISSING).
    """
    if not initial.admin:
        return "none was named; whoever holds the secret key is one: `llmchat admin role` makes others"
    record = await _account(settings, initial.admin)
    if record is not None and record.is_admin:
        return f"{initial.admin} was there"
    if record is None and initial.admin_password is None:
        text = f"there is no account {initial.admin} yet, and LLMCHAT_ADMIN_PASSWORD gives none to open it with"
        raise Precondition(text, reason="PASSWORD_MISSING")
    async with _process(settings) as process:
        token, _ = process.tokens.issue_user(_WHO, True, _TOKEN_LIFE)
        places = dict.fromkeys(SERVICES, process.server.address)
        async with Operator(places, token=token, tls=Tls.of(os.environ), timeout=_CALL) as operator:
            if record is not None:
                await operator.set_role(record.id, USER_ROLE_ADMIN)
                return f"{initial.admin} had an account and is an administrator now"
            password = initial.admin_password.get_secret_value() if initial.admin_password else ""
            name = initial.admin.partition("@")[0]
            user = await operator.open_account(initial.admin, name, password)
            await operator.set_role(user.id, USER_ROLE_ADMIN)
            return f"{initial.admin} was made"


Step = Callable[[Settings, InitialSettings], Awaitable[str]]

# In this order, each resting on those before it.
STEPS: tuple[tuple[str, Step], ...] = (
    ("rules", rules),
    ("collections", collections),
    ("system documents", system_documents),
    ("migrations", migrations),
    ("administrator", administrator),
)


async def initialise(settings: Settings, initial: InitialSettings, tell: Callable[[str], None]) -> None:
    """Takes every step, and tells of each what it made and what was there.

    Raises:
        Invalid: the documents would be kept nowhere, or a setting is malformed.
        Precondition: as `administrator`.
        Unavailable: an engine cannot be reached, or the data folder is in use.
    """
    if any(settings.store_of(service) == "memory://" for service in SERVICES):
        raise Invalid("memory:// keeps nothing: there is nothing to make ready")
    # Of what a start does by itself about migrations, nothing: they are a step of their own.
    own = settings.model_copy(update={"listen": "127.0.0.1:0", "metrics_listen": "", "migrate": "up"})
    for name, step in STEPS:
        tell(f"{name}: {await step(own, initial)}")


async def _begun_with(settings: Settings) -> dict[str, Contents]:
    begun_with: dict[str, CollectionSpec[Any]] = {"operations": SYSTEM_CONFIG, "catalog": MODELS}
    found = {}
    for service, spec in begun_with.items():
        async with _opened(settings, service) as store:
            found[spec.name] = await contents(store, spec)
    return found


def _told(name: str, before: Contents, after: Contents) -> str:
    if before == after:
        return f"{name} was there ({before.documents})"
    if made := after.documents - before.documents:
        return f"{name} {made} made" + (f", {before.documents} were there" if before.documents else "")
    return f"{name} brought up to date ({before.documents})"


async def _account(settings: Settings, username: str) -> UserRecord | None:
    async with _opened(settings, "users") as store:
        name = await store.get(USERNAMES, username_id(username))
        record = await store.get(USERS, name.message.user_id) if name is not None else None
        return record.message if record is not None else None


@asynccontextmanager
async def _opened(settings: Settings, service: str) -> AsyncIterator[Store]:
    store = await open_engine(settings.store_of(service), service, held_by(service))
    try:
        yield store
    finally:
        await store.close()


def _process(settings: Settings) -> AbstractAsyncContextManager[Process]:
    return open_process(settings, EMBEDDED, works=False)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Reads the settings; what fails is told in one line and ends with exit code 1."""
    with failing_in_one_line():
        settings = Settings()
        configure_logging("WARNING", settings.log_format)
        asyncio.run(initialise(settings, InitialSettings(), _tell))


if __name__ == "__main__":
    main()
