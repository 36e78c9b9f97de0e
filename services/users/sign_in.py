"""Signing in: a password, an ID token or a refresh token for a session."""

from __future__ import annotations

from llmchat.users.v1.users_service_pb2 import (
    LoginRequest,
    LoginResponse,
    RefreshSessionRequest,
    SignInWithIdTokenRequest,
)

from libs.common.context import Call
from services.users.login import Login
from services.users.sessions import Sessions


class SignIn:
    """The ways to a session."""

    def __init__(self, login: Login, sessions: Sessions) -> None:
        self._login = login
        self._sessions = sessions

    async def login(self, call: Call, request: LoginRequest) -> LoginResponse:
        return await self._login.login(call, request)

    async def with_id_token(self, call: Call, request: SignInWithIdTokenRequest) -> LoginResponse:
        raise NotImplementedError

    async def refresh(self, call: Call, request: RefreshSessionRequest) -> LoginResponse:
        return await self._sessions.refresh(call, request)
