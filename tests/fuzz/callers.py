"""In whose name requests are sent: nobody, people, an administrator, services, a program with a key, and impostors."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from grpc import StatusCode, aio
from llmchat.options.v1 import policy_pb2
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    CreateUserRequest,
    LoginRequest,
    ReactivateUserRequest,
    SetUserRoleRequest,
)
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.crypto.tokens import SERVICE_LIFE, Tokens
from libs.common.rpc.method import Method
from libs.common.settings import SERVICES
from tests.fuzz.pool import Pool
from tests.fuzz.requests import PASSWORD

NOBODY = "nobody"
ADMIN = "admin"
KEY = "key"
IMPOSTOR = "impostor"
_PEOPLE = ("ada", "bert", "cleo")
# Whose the key is.
_KEY_OWNER = "cleo"
_LIFE = 10 * 3600
_ATTEMPTS = 5
_SHUT_OUT = (
    StatusCode.UNAUTHENTICATED,
    StatusCode.PERMISSION_DENIED,
    StatusCode.NOT_FOUND,
    StatusCode.RESOURCE_EXHAUSTED,
)

Metadata = tuple[tuple[str, str | bytes], ...]

_ODD_METADATA: Sequence[Metadata] = (
    (("x-request-id", "x" * 8000),),
    (("x-request-id", "a b,c"),),
    (("x-request-id", ""),),
    (("traceparent", "00-" + "0" * 32 + "-zz-01"),),
    (("x-forwarded-for", "1.2.3.4, , ;;, ::1" * 50),),
    (("x-large", "x" * 20_000),),
    (("grpc-status-details-bin", b"\x00\xff"),),
    (("authorization", "Bearer second"),),
    (("x-odd-bin", bytes(range(256))),),
)
_BAD_AUTHORIZATIONS = (
    "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "bearer x", "Bearer x.y.z", "Bearer " + "a" * 6000, "Bearer null",
    "Bearer llmchat_", "Bearer llmchat_" + "0" * 26 + "_" + "A" * 43, "Bearer eyJhbGciOiJub25lIn0.e30.",
    "Bearer " + "e30." * 3, "Bearer eyJhbGciOjF9.e30.x", "Bearer W10.W10.W10",
)  # fmt: skip


class Callers:
    """The callers of one worker. Who gets lost (deleted, suspended, revoked) is let in again or replaced.

    `secrets` are what the server handed out and no log may hold.
    """

    def __init__(self, tokens: Tokens, channel: aio.Channel, pool: Pool, worker: int) -> None:
        self.secrets: set[str] = set()
        self._tokens = tokens
        self._users = UsersServiceStub(channel)
        self._pool = pool
        self._worker = worker
        self._ids: dict[str, str] = {}
        self._credentials: dict[str, str] = {}
        self._services = {_of_service(name): name for name in (*SERVICES, "generator")}
        # By caller and user: the token, and when another one is due.
        self._service_tokens: dict[tuple[str, str], tuple[str, float]] = {}
        self._recovering = asyncio.Lock()
        self._made = 0

    async def settle(self) -> None:
        """Opens the accounts, one of them an administrator's, and makes the key."""
        for name in (*_PEOPLE, ADMIN):
            await self._open_account(name)
        await self._make_key()

    def choose(self, method: Method, chance: random.Random) -> str:
        """Somebody who may call the method, or, one time in six, just anybody."""
        if chance.random() < 1 / 6:
            return chance.choice((NOBODY, *_PEOPLE, ADMIN, KEY, IMPOSTOR, *self._services))
        allow = set(method.policy.allow)
        fitting: list[str] = []
        if allow & {policy_pb2.WHO_USER, policy_pb2.WHO_OWNER, policy_pb2.WHO_ANYONE}:
            fitting += [*_PEOPLE, KEY]
        if policy_pb2.WHO_ANYONE in allow:
            fitting.append(NOBODY)
        if policy_pb2.WHO_ADMIN in allow:
            fitting += [ADMIN] * 3
        if policy_pb2.WHO_SERVICE in allow:
            fitting += map(_of_service, method.policy.services)
        return chance.choice(fitting)

    def metadata(self, caller: str, number: int, chance: random.Random) -> Metadata:
        """The headers of a call: who calls, and now and then such as make no sense."""
        odd = chance.choice(_ODD_METADATA) if chance.random() < 0.03 else ()
        return (*self._authorization(caller, chance), ("x-request-id", f"fuzz-{number}"), *odd)

    async def recover(self, caller: str, metadata: Metadata) -> None:
        """Sees to it that a caller whose credential was refused has a good one again, unless that has happened."""
        async with self._recovering:
            if caller not in self._credentials or _bearer(self._credentials[caller])[0] not in metadata:
                return
            person = _KEY_OWNER if caller == KEY else caller
            # The run goes on meanwhile, and shuts people out.
            for attempt in range(_ATTEMPTS):
                try:
                    await (self._let_in(person) if attempt == 0 else self._open_account(person))
                    if caller == KEY:
                        await self._make_key()
                except aio.AioRpcError as error:
                    if error.code() not in _SHUT_OUT or attempt == _ATTEMPTS - 1:
                        raise
                else:
                    return

    async def _let_in(self, name: str) -> None:
        admin = self._tokens.issue_user(self._ids[ADMIN], True, _LIFE)[0]
        await self._users.ReactivateUser(ReactivateUserRequest(id=self._ids[name]), metadata=_bearer(admin), timeout=30)
        self._credentials[name] = self._issue(name)

    async def _open_account(self, name: str) -> None:
        self._made += 1
        username = f"{name}.{self._worker}.{self._made}@fuzz.example"
        request = CreateUserRequest(username=username, display_name=name, password=PASSWORD)
        user = await self._users.CreateUser(request, timeout=60)
        self._ids[name] = user.id
        if name == ADMIN:
            # The first administrator of an installation is the operator, who holds its key.
            operator = self._tokens.issue_user("operator", True)[0]
            role = SetUserRoleRequest(id=user.id, role=USER_ROLE_ADMIN)
            await self._users.SetUserRole(role, metadata=_bearer(operator), timeout=30)
            self._credentials[name] = self._issue(name)
        else:
            login = await self._users.Login(LoginRequest(username=username, password=PASSWORD), timeout=60)
            self._pool.harvest(name, login)
            self.secrets |= {login.access_token, login.refresh_token}
            self._credentials[name] = login.access_token
        self._pool.add(name, "user", user.id)

    async def _make_key(self) -> None:
        request = CreateAccessKeyRequest(name="fuzz", permissions=["*"])
        made = await self._users.CreateAccessKey(request, metadata=_bearer(self._credentials[_KEY_OWNER]), timeout=30)
        self.secrets.add(made.secret)
        self._credentials[KEY] = made.secret

    def _issue(self, name: str) -> str:
        return self._tokens.issue_user(self._ids[name], name == ADMIN, _LIFE)[0]

    def _service_token(self, caller: str, user_id: str) -> str:
        """As services do it: one token for many calls, renewed in time."""
        token, renew_at = self._service_tokens.get((caller, user_id), ("", 0.0))
        if time.monotonic() >= renew_at:
            token, _ = self._tokens.issue_service(self._services[caller], user_id, False)
            self._service_tokens[caller, user_id] = token, time.monotonic() + SERVICE_LIFE / 2
        return token

    def _authorization(self, caller: str, chance: random.Random) -> Metadata:
        if caller == NOBODY:
            return ()
        if caller == IMPOSTOR:
            good = chance.choice(tuple(self._credentials.values()))
            cut = chance.randrange(len(good))
            forged = f"Bearer {good[:cut]}{chance.choice(('', 'A', '.'))}{good[cut + 1 :]}"
            return (("authorization", chance.choice((forged, chance.choice(_BAD_AUTHORIZATIONS)))),)
        if caller in self._services:
            # Mostly for people who are there: for every other the server has another token to verify and remember.
            known = ("", *self._ids.values())
            user_id = chance.choice(known) if chance.random() < 0.95 else self._pool.pick(chance, "", "user") or ""
            return _bearer(self._service_token(caller, user_id))
        return _bearer(self._credentials[caller])


def _bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)


def _of_service(name: str) -> str:
    return f"service:{name}"
