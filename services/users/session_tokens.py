"""Refresh tokens: which session they carry on, and how often it has been carried on; signed, and stored nowhere."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.errors import Unauthenticated

_PREFIX = "llmchat_refresh"
_FORM = re.compile(rf"{_PREFIX}\.(session_[0-9a-z]{{26}})\.(0|[1-9][0-9]{{0,17}})\.([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a token says that was signed here."""

    session_id: str
    number: int


class RefreshTokens:
    """Signs with the first of its 32-byte keys (HMAC-SHA256) and reads what any of them signed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def issue(self, session_id: str, number: int) -> str:
        """The token that carries the session on for the `number`th time, counted from 0."""
        return f"{_PREFIX}.{session_id}.{number}.{_sign(self._keys[0], session_id, number)}"

    def read(self, token: str) -> RefreshToken:
        """What the token says.

        Raises:
            Unauthenticated: it was not signed here (reason INVALID_REFRESH_TOKEN).
        """
        parts = _FORM.fullmatch(token)
        if parts is None:
            raise invalid_refresh_token()
        session_id, number, signature = parts[1], int(parts[2]), parts[3]
        if not any(hmac.compare_digest(signature, _sign(key, session_id, number)) for key in self._keys):
            raise invalid_refresh_token()
        return RefreshToken(session_id, number)


def invalid_refresh_token() -> Unauthenticated:
    """What the holder of a token hears that carries no session on: it does not matter why."""
    return Unauthenticated("the refresh token is not valid: sign in again", reason="INVALID_REFRESH_TOKEN")


def _sign(key: bytes, session_id: str, number: int) -> str:
    digest = hmac.digest(key, f"{session_id}.{number}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
