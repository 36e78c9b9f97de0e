"""Signing in: a password, an ID token or a refresh token for a session."""

from __future__ import annotations

from llmchat.users.v1.users_service_pb2 import (
    LoginRequest,
    LoginResponse,
    RefreshSessionRequest,
    SignInWithIdTokenRequest,
)

from libs.common.context import Call
from libs.common.errors import Precondition
from services.users.login import Login
from services.users.openid_accounts import OpenIdSignIn
from services.users.sessions import Sessions


class SignIn:
    """The ways to a session."""

    def __init__(self, login: Login, openid: OpenIdSignIn | None, sessions: Sessions) -> None:
        """`openid` is None where no issuer is set."""
        self._login = login
        self._openid = openid
        self._sessions = sessions

    async def login(self, call: Call, request: LoginRequest) -> LoginResponse:
        return await self._login.login(call, request)

    async def with_id_token(self, call: Call, request: SignInWithIdTokenRequest) -> LoginResponse:
        if self._openid is None:
            raise Precondition("no OpenID Connect issuer is set (LLMCHAT_OPENID_ISSUERS)", reason="OPENID_OFF")
        return await self._openid.sign_in(request)

    async def refresh(self, call: Call, request: RefreshSessionRequest) -> LoginResponse:
        return await self._sessions.refresh(call, request)
