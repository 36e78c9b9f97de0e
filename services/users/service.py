"""The RPCs of `llmchat.users.v1.UsersService`."""

from __future__ import annotations

from llmchat.users.v1.user_pb2 import User
from llmchat.users.v1.users_service_pb2 import (
    CreateUserRequest,
    GetUserRequest,
    LoginRequest,
    LoginResponse,
    UpdateUserRequest,
)

from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.crypto.tokens import Tokens
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from services.users import user as users
from services.users.login import login


class UsersService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(self, documents: Documents, passwords: Passwords, tokens: Tokens, token_life: int) -> None:
        self._documents = documents
        self._passwords = passwords
        self._tokens = tokens
        self._token_life = token_life

    async def CreateUser(self, request: CreateUserRequest, call: Call) -> User:
        # Outside the unit: a unit that meets a conflict runs again, and a hash takes a quarter of a second.
        password_hash = await self._passwords.hash(request.password)

        async def create(unit: Unit) -> User:
            return await users.create_user(unit, request, password_hash)

        return await self._documents.once(call, request, User, create)

    async def Login(self, request: LoginRequest, call: Call) -> LoginResponse:
        record = await login(self._documents, self._passwords, request)
        token, expires_at = self._tokens.issue_user(record.id, record.is_admin, self._token_life)
        return LoginResponse(access_token=token, expires_at=timestamp(expires_at), user=users.view(record))

    async def GetUser(self, request: GetUserRequest, call: Call) -> User:
        return await users.read_user(self._documents, call.caller, request.id)

    async def UpdateUser(self, request: UpdateUserRequest, call: Call) -> User:
        async def update(unit: Unit) -> User:
            return await users.update_user(unit, call.caller, request)

        return await self._documents.once(call, request, User, update)

    async def DeleteUser(self, request, call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        raise NotImplementedError
