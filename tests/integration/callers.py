"""Whoever may call: people with one of everything, services, and those whose credential is wrong in some way."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import jwt
from google.protobuf.message import Message
from grpc import aio
from llmchat.access.v1.access_service_pb2 import Revocation
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1 import message_pb2
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, OPERATION_TYPE_GENERATE_TITLE, Operation
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord, SessionRecord
from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE
from llmchat.users.v1.users_service_pb2 import CreateAccessKeyRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.rpc.method import Method
from libs.common.settings import SERVICES
from libs.common.store.port import CollectionSpec
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.operations.collections import OPERATIONS
from services.threads.collections import THREADS
from services.users.collections import ACCESS_KEYS, SESSIONS, USERNAMES, USERS
from services.users.user import username_id
from tests.integration.conftest import House
from tests.integration.planting import documents_of

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Life:
    """The ids of a person and of what is theirs."""

    user_id: str
    thread_id: str
    message_id: str
    operation_id: str
    session_id: str
    access_key_id: str

    @property
    def ids(self) -> list[str]:
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class Caller:
    """Somebody, and what may be expected of them. `service` acts for the owner where `user` is "owner"."""

    authorization: str | None
    user: str = ""
    service: str = ""
    is_admin: bool = False
    permits: Callable[[Method], bool] = lambda method: True
    is_out: bool = False
    is_deleted: bool = False


class Registry:
    """The stores of a running house, where people are entered without the time that a password takes."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._documents: dict[str, Documents] = {}

    async def enter(self, service: str, spec: CollectionSpec[M], document: M) -> None:
        """Stores a new document."""
        if service not in self._documents:
            self._documents[service] = await documents_of(self.house, service)

        async def create(unit: Unit) -> None:
            unit.create(spec, document)

        await self._documents[service].unit(create)


# Gives somebody in view of the owner's life.
Make = Callable[[Registry, Life], Awaitable[Caller]]


async def begin(registry: Registry) -> Life:
    """A person who has one of everything."""
    tag = uuid.uuid4().hex
    life = Life(*(f"{kind}_{tag}" for kind in ("user", "thread", "msg", "op", "session", "key")))
    now = timestamp(wall_clock())
    account = UserRecord(
        id=life.user_id, username=f"{tag}@example.org", display_name="Ada", status=USER_STATUS_ACTIVE, created_at=now
    )
    await registry.enter("users", USERS, account)
    await registry.enter("users", USERNAMES, UsernameRecord(id=username_id(account.username), user_id=life.user_id))
    later = timestamp(wall_clock() + 3_600_000)
    session = SessionRecord(id=life.session_id, user_id=life.user_id, created_at=now, expires_at=later)
    await registry.enter("users", SESSIONS, session)
    key = AccessKeyRecord(id=life.access_key_id, user_id=life.user_id, created_at=now, permissions=["*"])
    await registry.enter("users", ACCESS_KEYS, key)
    await registry.enter("threads", THREADS, Thread(id=life.thread_id, user_id=life.user_id, title="Theirs"))
    await registry.enter(
        "messages", CONVERSATIONS, Conversation(id=life.thread_id, user_id=life.user_id, last_position=1)
    )
    message = message_pb2.Message(
        id=life.message_id,
        thread_id=life.thread_id,
        user_id=life.user_id,
        model_id="echo",
        role=message_pb2.ROLE_ASSISTANT,
        status=message_pb2.MESSAGE_STATUS_COMPLETE,
        position=1,
    )
    await registry.enter("messages", MESSAGES, message)
    operation = Operation(
        id=life.operation_id,
        user_id=life.user_id,
        thread_id=life.thread_id,
        type=OPERATION_TYPE_GENERATE_TITLE,
        status=OPERATION_STATUS_COMPLETED,
    )
    await registry.enter("operations", OPERATIONS, operation)
    return life


def forged(registry: Registry, life: Life, **changes: Any) -> str:
    """The owner's token with something wrong in it."""
    token = registry.house.process.tokens.issue_user(life.user_id, True, session_id=life.session_id)[0]
    header = jwt.get_unverified_header(token) | changes.pop("header", {})
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    key: Any = registry.house.process.keys.derive("tokens")[0]
    algorithm = header.pop("alg")
    return jwt.encode(claims, "" if algorithm == "none" else key, algorithm=algorithm, headers=header)


async def access_key(registry: Registry, life: Life, *permissions: str) -> str:
    """The secret of an access key of the owner's."""
    token = registry.house.process.tokens.issue_user(life.user_id, False, session_id=life.session_id)[0]
    async with aio.insecure_channel(registry.house.address) as channel:
        request = CreateAccessKeyRequest(name="a program", permissions=permissions)
        made = await UsersServiceStub(channel).CreateAccessKey(
            request, metadata=(("authorization", f"Bearer {token}"),)
        )
    return made.secret


def revoke(registry: Registry, subject: str) -> None:
    now = wall_clock() + 1000
    registry.house.process.revocations.apply(
        Revocation(subject=subject, revoked_at=timestamp(now), expires_at=timestamp(now + 60_000))
    )


async def no_credential(registry: Registry, life: Life) -> Caller:
    return Caller(None)


async def the_owner(registry: Registry, life: Life) -> Caller:
    return Caller(registry.house.process.tokens.issue_user(life.user_id, False, session_id=life.session_id)[0], "owner")


async def another_user(registry: Registry, life: Life) -> Caller:
    other = await begin(registry)
    return Caller(
        registry.house.process.tokens.issue_user(other.user_id, False, session_id=other.session_id)[0], "other"
    )


async def an_admin(registry: Registry, life: Life) -> Caller:
    admin = await begin(registry)
    token = registry.house.process.tokens.issue_user(admin.user_id, True, session_id=admin.session_id)[0]
    return Caller(token, "other", is_admin=True)


async def a_suspended_owner(registry: Registry, life: Life) -> Caller:
    owner = await the_owner(registry, life)
    revoke(registry, f"user:{life.user_id}")
    return Caller(owner.authorization, is_out=True)


async def a_deleted_owner(registry: Registry, life: Life) -> Caller:
    owner = await the_owner(registry, life)
    revoke(registry, f"account:{life.user_id}")
    return Caller(owner.authorization, "owner", is_deleted=True)


async def an_owner_who_has_logged_out(registry: Registry, life: Life) -> Caller:
    owner = await the_owner(registry, life)
    revoke(registry, f"session:{life.session_id}")
    return Caller(owner.authorization, is_out=True)


async def a_key_for_everything(registry: Registry, life: Life) -> Caller:
    return Caller(await access_key(registry, life, "*"), "owner")


async def a_key_for_reading_threads(registry: Registry, life: Life) -> Caller:
    def permits(method: Method) -> bool:
        return (method.resource, method.action) == ("thread", "read")

    return Caller(await access_key(registry, life, "thread.read"), "owner", permits=permits)


async def a_revoked_key(registry: Registry, life: Life) -> Caller:
    secret = await access_key(registry, life, "*")
    return Caller(secret[:-4] + "AAAA", is_out=True)


def with_wrong(**changes: Any) -> Make:
    async def make(registry: Registry, life: Life) -> Caller:
        return Caller(forged(registry, life, **changes), is_out=True)

    return make


def a_service(name: str, user: str = "") -> Make:
    async def make(registry: Registry, life: Life) -> Caller:
        user_id = {"": "", "owner": life.user_id, "other": "user_other"}[user]
        return Caller(registry.house.process.tokens.issue_service(name, user_id, False)[0], user, service=name)

    return make


CALLERS: Mapping[str, Make] = {
    "nobody": no_credential,
    "the owner": the_owner,
    "another user": another_user,
    "an admin": an_admin,
    "a suspended owner": a_suspended_owner,
    "a deleted owner": a_deleted_owner,
    "an owner who has logged out": an_owner_who_has_logged_out,
    "an access key for everything": a_key_for_everything,
    "an access key for thread.read": a_key_for_reading_threads,
    "an access key with a wrong secret": a_revoked_key,
    "an expired token": with_wrong(exp=1),
    "a token for another audience": with_wrong(aud="another"),
    "a token of another issuer": with_wrong(iss="another"),
    "a token of another type": with_wrong(typ="refresh"),
    "an unsigned token": with_wrong(header={"alg": "none"}),
    "a token of another algorithm": with_wrong(header={"alg": "HS512"}),
    "a token of an unknown key": with_wrong(header={"kid": "0" * 16}),
    **{f"the {name} service": a_service(name) for name in SERVICES},
    **{f"the {name} service for the owner": a_service(name, "owner") for name in SERVICES},
    "the messages service for another user": a_service("messages", "other"),
    "a generator outside": a_service("generator"),
    "a service of no such name": a_service("gateway", "owner"),
}
