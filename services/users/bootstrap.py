"""Wires the users service into a process."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.access.v1 import access_service_pb2
from llmchat.events.v1.events_pb2 import UserDeleted
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.v1 import users_service_pb2

from libs.common.crypto.passwords import Passwords
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.migrations.loading import load_migrations
from libs.common.process import Process
from services.users.access import AccessService
from services.users.access_keys import AccessKeys
from services.users.administration import Administration
from services.users.collections import COLLECTIONS, LOGIN_ATTEMPTS, REVOCATIONS, SESSIONS
from services.users.deletion import Deletion
from services.users.key_rotation import KeyRotation
from services.users.key_vault import KeyVault, master_ring
from services.users.login import Login
from services.users.openid_accounts import OpenIdSignIn
from services.users.openid_tokens import IdTokens
from services.users.password import PasswordChange
from services.users.personal_data import PERSONAL_DATA
from services.users.provider_key_check import ProviderKeyCheck
from services.users.provider_keys import ProviderKeys
from services.users.references import REFERENCES
from services.users.revocations import RevocationLog
from services.users.service import UsersService
from services.users.session_tokens import RefreshTokens
from services.users.sessions import Sessions
from services.users.settings import UsersSettings
from services.users.sign_in import SignIn
from services.users.subscribers import counted, subscriptions
from services.users.throttle import Throttle


async def bootstrap(process: Process) -> None:
    """Serves accounts and sign-in, sees deletions through, follows what is deprecated."""
    settings = UsersSettings()
    documents = await process.documents(
        "users",
        COLLECTIONS,
        migrations=load_migrations("users"),
        expiring=(SESSIONS, LOGIN_ATTEMPTS, REVOCATIONS),
    )
    process.references("users", documents, REFERENCES)
    process.personal_data("users", documents, PERSONAL_DATA)
    channels = process.channels("users")

    async def user_deletion_acknowledged(unit: Unit, event: OutboxEvent, payload: Message) -> None:
        await deletion.advance(unit, event, cast(UserDeleted, payload))

    outbox = process.outbox("users", documents, {"user.deleted": user_deletion_acknowledged})
    process.consume("users", documents, channels, subscriptions(), counted())

    revocations = RevocationLog(process.revocations, process.bus, process.settings.token_life, process.clock)
    # Before anyone is served.
    await revocations.load(documents)
    deletion = Deletion(outbox, revocations)
    passwords = Passwords(settings.password_cost)
    process.stack.callback(passwords.close)
    throttle = Throttle(documents, failures=settings.login_failures, longest_wait=settings.login_longest_wait)
    sessions = Sessions(
        documents,
        outbox,
        revocations,
        process.tokens,
        RefreshTokens(process.keys.derive("refresh")),
        process.config,
        token_life=int(process.settings.token_life),
        session_life=settings.session_life,
    )
    hash_keys = {key.id: key.derive("access_keys") for key in process.keys.keys}
    access_keys = AccessKeys(documents, outbox, revocations, hash_keys)
    master_keys = settings.master_keys.get_secret_value() if settings.master_keys is not None else None
    vault = KeyVault(master_ring(master_keys, process.keys.derived("master")))
    rotation = KeyRotation(documents, outbox, vault)
    process.background(rotation.run)
    openid = None
    if settings.openid_issuers:
        id_tokens = IdTokens(settings.openid_issuers, process.clock)
        process.stack.push_async_callback(id_tokens.close)
        openid = OpenIdSignIn(documents, outbox, process.config, passwords, sessions, id_tokens)
    service = UsersService(
        documents=documents,
        outbox=outbox,
        config=process.config,
        # Nobody watches here: who remembers settings is told that they have changed.
        changes=Changes(process.bus, "users", process.settings.pull_interval),
        operations=channels.stub("operations", OperationsServiceStub),
        passwords=passwords,
        deletion=deletion,
        sign_in=SignIn(Login(documents, outbox, passwords, throttle, sessions), openid, sessions),
        sessions=sessions,
        password_change=PasswordChange(documents, outbox, passwords, throttle, sessions),
        provider_keys=ProviderKeys(documents, outbox, vault, ProviderKeyCheck(settings), rotation),
        access_keys=access_keys,
        administration=Administration(documents, outbox, revocations, process.config),
    )
    process.server.add(users_service_pb2.DESCRIPTOR.services_by_name["UsersService"], service)
    access = access_service_pb2.DESCRIPTOR.services_by_name["AccessService"]
    process.server.add(access, AccessService(documents, access_keys))
