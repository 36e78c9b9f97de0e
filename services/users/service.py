"""The RPCs of `llmchat.users.v1.UsersService`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.users.v1 import users_service_pb2 as pb
from llmchat.users.v1.user_pb2 import ProviderKeyStatus, User, UserSettings

from libs.common.access.live_config import LiveConfig
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.users import user as users
from services.users.access_keys import AccessKeys
from services.users.administration import Administration
from services.users.deletion import Deletion, track_deletion
from services.users.password import PasswordChange
from services.users.provider_keys import ProviderKeys
from services.users.sessions import Sessions
from services.users.sign_in import SignIn

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub


@dataclass(frozen=True, slots=True)
class UsersService:
    """Thin: each method hands its request to the use case of that name."""

    documents: Documents
    outbox: Outbox
    config: LiveConfig
    changes: Changes
    operations: OperationsServiceAsyncStub
    passwords: Passwords
    deletion: Deletion
    sign_in: SignIn
    sessions: Sessions
    password_change: PasswordChange
    provider_keys: ProviderKeys
    access_keys: AccessKeys
    administration: Administration

    async def CreateUser(self, request: pb.CreateUserRequest, call: Call) -> User:
        # Outside the unit: a unit that meets a conflict runs again, and a hash takes a quarter of a second.
        password_hash = await self.passwords.hash(request.password)

        async def create(unit: Unit) -> User:
            users.require_registration(self.config, call.caller)
            return await users.create_user(unit, self.outbox, self.config, request, password_hash)

        return await self.documents.once(call, request, User, create)

    async def GetUser(self, request: pb.GetUserRequest, call: Call) -> User:
        return await users.read_user(self.documents, self.config, call.caller, request.id)

    async def UpdateUser(self, request: pb.UpdateUserRequest, call: Call) -> User:
        async def update(unit: Unit) -> User:
            return await users.update_user(unit, self.changes, self.config, call.caller, request)

        return await self.documents.once(call, request, User, update)

    async def DeleteUser(self, request: pb.DeleteUserRequest, call: Call) -> Operation:
        # Outside the unit, as in CreateUser.
        password_hash = await self.passwords.hash(secrets.token_urlsafe())

        async def delete(unit: Unit) -> Operation:
            return await self.deletion.begin(unit, call.caller, request, password_hash)

        operation = await self.documents.once(call, request, Operation, delete)
        return await track_deletion(self.operations, operation)

    async def Login(self, request: pb.LoginRequest, call: Call) -> pb.LoginResponse:
        return await self.sign_in.login(call, request)

    async def RefreshSession(self, request: pb.RefreshSessionRequest, call: Call) -> pb.LoginResponse:
        return await self.sign_in.refresh(call, request)

    async def SignInWithIdToken(self, request: pb.SignInWithIdTokenRequest, call: Call) -> pb.LoginResponse:
        return await self.sign_in.with_id_token(call, request)

    async def Logout(self, request: pb.LogoutRequest, call: Call) -> Empty:
        return await self.sessions.logout(call, request)

    async def ListSessions(self, request: pb.ListSessionsRequest, call: Call) -> pb.ListSessionsResponse:
        return await self.sessions.list(call, request)

    async def RevokeSession(self, request: pb.RevokeSessionRequest, call: Call) -> Empty:
        return await self.sessions.revoke(call, request)

    async def ChangePassword(self, request: pb.ChangePasswordRequest, call: Call) -> Empty:
        return await self.password_change.change(call, request)

    async def SetProviderKey(self, request: pb.SetProviderKeyRequest, call: Call) -> ProviderKeyStatus:
        return await self.provider_keys.set(call, request)

    async def DeleteProviderKey(self, request: pb.DeleteProviderKeyRequest, call: Call) -> Empty:
        return await self.provider_keys.delete(call, request)

    async def ResolveProviderKey(
        self, request: pb.ResolveProviderKeyRequest, call: Call
    ) -> pb.ResolveProviderKeyResponse:
        return await self.provider_keys.resolve(call, request)

    async def GetUserSettings(self, request: pb.GetUserSettingsRequest, call: Call) -> UserSettings:
        return await users.read_settings(self.documents, call.caller)

    async def ReportProviderKey(self, request: pb.ReportProviderKeyRequest, call: Call) -> Empty:
        return await self.provider_keys.report(call, request)

    async def ReencryptProviderKeys(
        self, request: pb.ReencryptProviderKeysRequest, call: Call
    ) -> pb.ReencryptProviderKeysResponse:
        return await self.provider_keys.reencrypt(call, request)

    async def CreateAccessKey(self, request: pb.CreateAccessKeyRequest, call: Call) -> pb.CreateAccessKeyResponse:
        return await self.access_keys.create(call, request)

    async def ListAccessKeys(self, request: pb.ListAccessKeysRequest, call: Call) -> pb.ListAccessKeysResponse:
        return await self.access_keys.list(call, request)

    async def RevokeAccessKey(self, request: pb.RevokeAccessKeyRequest, call: Call) -> Empty:
        return await self.access_keys.revoke(call, request)

    async def ListUsers(self, request: pb.ListUsersRequest, call: Call) -> pb.ListUsersResponse:
        return await self.administration.list(call, request)

    async def SuspendUser(self, request: pb.SuspendUserRequest, call: Call) -> User:
        return await self.administration.suspend(call, request)

    async def ReactivateUser(self, request: pb.ReactivateUserRequest, call: Call) -> User:
        return await self.administration.reactivate(call, request)

    async def SetUserRole(self, request: pb.SetUserRoleRequest, call: Call) -> User:
        return await self.administration.set_role(call, request)
