"""One's account: opened, signed in to, changed, exported, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.operations_service_pb2 import EXPORT_FORMAT_JSON_LINES, ExportFormat
from llmchat.users.v1 import session_pb2
from llmchat.users.v1 import users_service_pb2 as users
from llmchat.users.v1.user_pb2 import User, UserSettings

from libs.client.calls import new_request_id
from libs.client.connection import Connection
from libs.client.export import export_of

_ME = "me"


class Accounts(Connection):
    """The caller's account and its sessions."""

    async def register(
        self, username: str, display_name: str, password: str, *, settings: UserSettings | None = None
    ) -> User:
        """Opens an account; `username` is an e-mail address. Does not log in."""
        request = users.CreateUserRequest(
            username=username,
            display_name=display_name,
            password=password,
            settings=settings,
            request_id=new_request_id(),
        )
        return await self._calls.nobodys(self._users.CreateUser, request)

    async def login(self, username: str, password: str, *, client_name: str = "") -> users.LoginResponse:
        """Signs in; later calls are made in this name, for as long as the session lasts.

        `client_name` tells the session from others of the same person: "Ada's phone".
        """
        request = users.LoginRequest(username=username, password=password, client_name=client_name)
        answer = await self._calls.nobodys(self._users.Login, request)
        await self._authorization.enter(answer)
        return answer

    async def sign_in_with_id_token(
        self, id_token: str, *, nonce: str = "", client_name: str = ""
    ) -> users.LoginResponse:
        """As `login`, by an ID token of an OpenID Connect issuer that the server trusts; `nonce` is the one it was
        asked for with. The first sign-in opens an account.
        """
        request = users.SignInWithIdTokenRequest(id_token=id_token, nonce=nonce, client_name=client_name)
        answer = await self._calls.nobodys(self._users.SignInWithIdToken, request)
        await self._authorization.enter(answer)
        return answer

    async def logout(self) -> None:
        """Ends the session; later calls are nobody's."""
        await self._calls.unary(self._users.Logout, users.LogoutRequest(request_id=new_request_id()))
        self.session = None

    async def sessions(self, *, page_size: int = 0) -> AsyncIterator[session_pb2.Session]:
        """The caller's sessions that have not ended, newest first."""
        request = users.ListSessionsRequest(page_size=page_size)
        async for page in self._calls.pages(self._users.ListSessions, request):
            for session in page.sessions:
                yield session

    async def revoke_session(self, id: str) -> None:
        """Ends one of the caller's sessions."""
        request = users.RevokeSessionRequest(id=id, request_id=new_request_id())
        await self._calls.unary(self._users.RevokeSession, request)

    async def change_password(self, current: str, new: str) -> None:
        """Replaces the password, and ends the caller's other sessions. Denied: `current` is wrong."""
        request = users.ChangePasswordRequest(current_password=current, new_password=new, request_id=new_request_id())
        await self._calls.unary(self._users.ChangePassword, request)

    async def me(self) -> User:
        """The account in whose name calls are made."""
        return await self._calls.unary(self._users.GetUser, users.GetUserRequest(id=_ME))

    async def update_user(self, user: User, paths: Sequence[str]) -> User:
        """Changes the fields named by `paths` to those of `user`; Stale when its etag is set and not current."""
        request = users.UpdateUserRequest(user=user, update_mask=FieldMask(paths=paths), request_id=new_request_id())
        return await self._calls.unary(self._users.UpdateUser, request)

    async def delete_user(self, *, etag: str = "") -> Operation:
        """Deletes the caller's account with everything of it; Stale when `etag` is not current.

        The account is closed when this returns. The rest goes by the operation: `watch_operation` follows it.
        """
        request = users.DeleteUserRequest(id=_ME, etag=etag, request_id=new_request_id())
        return await self._calls.unary(self._users.DeleteUser, request)

    def export(self, format: ExportFormat = EXPORT_FORMAT_JSON_LINES) -> AsyncIterator[bytes]:
        """Everything of the caller's from all services, without secrets: a file in pieces of whole lines.

        Raises:
            DomainError: what the server answered, or the connection broke. An export is not resumed: ask again.
        """
        return export_of(self._calls, self._operations, _ME, format)
