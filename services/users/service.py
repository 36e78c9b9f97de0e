"""The RPCs of `llmchat.users.v1.UsersService`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.users.v1.user_pb2 import User
from llmchat.users.v1.users_service_pb2 import (
    CreateUserRequest,
    DeleteUserRequest,
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
from libs.common.events.outbox import Outbox
from services.users import user as users
from services.users.deletion import delete_user, track_deletion
from services.users.login import login

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub


class UsersService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        operations: OperationsServiceAsyncStub,
        passwords: Passwords,
        tokens: Tokens,
        token_life: int,
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._operations = operations
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

    async def DeleteUser(self, request: DeleteUserRequest, call: Call) -> Operation:
        # Outside the unit, as in CreateUser.
        password_hash = await self._passwords.hash(secrets.token_urlsafe())

        async def delete(unit: Unit) -> Operation:
            return await delete_user(unit, self._outbox, call.caller, request, password_hash)

        operation = await self._documents.once(call, request, Operation, delete)
        return await track_deletion(self._operations, operation)
