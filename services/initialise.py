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
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN

from libs.client.operator import Operator
from libs.common.errors import Invalid, Precondition
from libs.common.logs import configure_logging
from libs.common.main import failing_in_one_line
from libs.common.opening import open_process
from libs.common.process import Process
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

# What services begin with by themselves.
_SYSTEM_DOCUMENTS: dict[str, CollectionSpec[Any]] = {"operations": SYSTEM_CONFIG, "catalog": MODELS}


@dataclass(frozen=True, slots=True)
class Found:
    """What there was before: documents of the system, any account at all, and that of the administrator to be."""

    system_documents: dict[str, Contents]
    has_accounts: bool
    account: UserRecord | None


@dataclass(frozen=True, slots=True)
class Installation:
    """One that is being made ready, by a process that serves all of its services."""

    settings: Settings
    initial: InitialSettings
    found: Found
    process: Process


async def system_documents(made: Installation) -> str:
    """The process has written them as it began: the system's configuration and the catalog."""
    told = []
    for service, spec in _SYSTEM_DOCUMENTS.items():
        before = made.found.system_documents[spec.name]
        async with _opened(made.settings, service) as store:
            after = await contents(store, spec)
        if after == before:
            told.append(f"{spec.name} was there ({before.documents})")
        elif count := after.documents - before.documents:
            told.append(f"{spec.name} {count} made, {before.documents} were there")
        else:
            told.append(f"{spec.name} brought up to date ({before.documents})")
    return ", ".join(told)


async def migrations(made: Installation) -> str:
    """Applies the migrations of an installation that nobody has an account in, where they have nothing to rewrite.

    In another one they are left to an operator, who knows which versions run there.
    """
    applied = pending = 0
    for runner in made.process.runners:
        waiting = await runner.pending()
        if waiting and not made.found.has_accounts:
            async for _ in runner.up(_WHO):
                pass
            applied += len(waiting)
        else:
            pending += len(waiting)
    if pending:
        return f"{pending} are pending: `llmchat migrate up`, once every replica is of this version"
    return f"{applied} applied" if applied else "none is pending"


async def administrator(made: Installation) -> str:
    """Opens an account for an administrator, or makes one of the account that is there.

    Raises:
        Precondition: there is no such account, and no password to open one with (reason PASSWORD_MISSING).
    """
    username, password, account = made.initial.admin, made.initial.admin_password, made.found.account
    if not username:
        return "none was named; whoever holds the secret key is one: `llmchat admin role` makes others"
    if account is not None and account.is_admin:
        return f"{username} was there"
    async with _operating(made.process) as operator:
        if account is not None:
            await operator.set_role(account.id, USER_ROLE_ADMIN)
            return f"{username} had an account and is an administrator now"
        if password is None:
            text = f"there is no account {username} yet, and LLMCHAT_ADMIN_PASSWORD gives none to open it with"
            raise Precondition(text, reason="PASSWORD_MISSING")
        name = username.partition("@")[0]
        user = await operator.open_account(username, name, password.get_secret_value())
        await operator.set_role(user.id, USER_ROLE_ADMIN)
        return f"{username} was made"


# In this order, once the stores are open and the process serves.
STEPS: tuple[tuple[str, Callable[[Installation], Awaitable[str]]], ...] = (
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
    stores = {service: settings.store_of(service) for service in SERVICES}
    if "memory://" in stores.values():
        raise Invalid("memory:// keeps nothing: there is nothing to make ready")
    # Without its rules a Realtime Database is no store.
    databases = await deploy(stores)
    tell(f"rules: {f'those of {len(databases)} databases are in place' if databases else 'none are needed'}")
    found = await _look(settings, initial)
    tell(f"collections: {sum(len(held_by(service)) for service in SERVICES)} of {len(SERVICES)} services are there")
    # Of what a start does by itself about migrations, nothing: they are a step of their own.
    own = settings.model_copy(update={"listen": "127.0.0.1:0", "metrics_listen": "", "migrate": "up"})
    async with open_process(own, EMBEDDED, works=False) as process:
        for name, step in STEPS:
            tell(f"{name}: {await step(Installation(settings, initial, found, process))}")


async def _look(settings: Settings, initial: InitialSettings) -> Found:
    """Opens the store of each service, which makes the tables and indexes that are missing."""
    system: dict[str, Contents] = {}
    has_accounts, account = False, None
    for service in SERVICES:
        async with _opened(settings, service) as store:
            if service in _SYSTEM_DOCUMENTS:
                spec = _SYSTEM_DOCUMENTS[service]
                system[spec.name] = await contents(store, spec)
            elif service == "users":
                has_accounts = bool(await store.query(Query.by_id(USERS, limit=1)))
                account = await _account(store, initial.admin)
    return Found(system, has_accounts, account)


async def _account(store: Store, username: str) -> UserRecord | None:
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


@asynccontextmanager
async def _operating(process: Process) -> AsyncIterator[Operator]:
    token, _ = process.tokens.issue_user(_WHO, True, _TOKEN_LIFE)
    places = dict.fromkeys(SERVICES, process.server.address)
    async with Operator(places, token=token, tls=Tls.of(os.environ), timeout=_CALL) as operator:
        yield operator


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
