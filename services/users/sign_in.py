"""Signing in: a password, an ID token or a refresh token for a session."""

from __future__ import annotations

from llmchat.users.v1.users_service_pb2 import (
    LoginRequest,
    LoginResponse,
    RefreshSessionRequest,
    SignInWithIdTokenRequest,
)

from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.crypto.tokens import Tokens
from libs.common.documents.documents import Documents
from services.users.login import login
from services.users.user import view


class SignIn:
    """Opens sessions and carries them on."""

    def __init__(self, documents: Documents, passwords: Passwords, tokens: Tokens, life: int) -> None:
        self._documents = documents
        self._passwords = passwords
        self._tokens = tokens
        self._life = life

    async def login(self, call: Call, request: LoginRequest) -> LoginResponse:
        record = await login(self._documents, self._passwords, request)
        token, expires_at = self._tokens.issue_user(record.id, record.is_admin, self._life)
        return LoginResponse(access_token=token, expires_at=timestamp(expires_at), user=view(record))

    async def with_id_token(self, call: Call, request: SignInWithIdTokenRequest) -> LoginResponse:
        raise NotImplementedError

    async def refresh(self, call: Call, request: RefreshSessionRequest) -> LoginResponse:
        raise NotImplementedError
