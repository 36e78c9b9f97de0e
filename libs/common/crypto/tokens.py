"""Access tokens: short-lived signed JWTs (RFC 7519, HS256), of users and of services that act for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import jwt

from libs.common import errors
from libs.common.clock import Clock, wall_clock
from libs.common.context import Caller, Verified

USER_LIFE = 900
SERVICE_LIFE = 300

_ALGORITHM = "HS256"
_ISSUER = "llmchat"
_AUDIENCE = "llmchat"
_REFUSED = "the access token is not valid"


class Tokens:
    """Issues tokens under the first of its keys and verifies those of any.

    Lives are in seconds; times out are in milliseconds of the epoch.
    """

    def __init__(self, keys: Sequence[bytes], clock: Clock = wall_clock) -> None:
        self._keys = {_kid(key): key for key in keys}
        self._current = _kid(keys[0])
        self._clock = clock

    def issue_user(
        self, user_id: str, is_admin: bool, life: int = USER_LIFE, *, session_id: str = ""
    ) -> tuple[str, int]:
        """A token of the user, and when it expires. Without a session only the user's own end ends it early."""
        return self._issue({"typ": "user", "sub": user_id, "sid": session_id, "admin": is_admin}, life)

    def issue_service(self, service: str, user_id: str, is_admin: bool, life: int = SERVICE_LIFE) -> tuple[str, int]:
        """A token of the service, acting for the user where `user_id` is not empty, and when it expires."""
        return self._issue({"typ": "service", "sub": service, "user": user_id, "admin": is_admin}, life)

    def verify(self, token: str) -> Verified:
        """Who the token stands for, since when and until when.

        Raises:
            Unauthenticated: it is malformed, not of this issuer, for another audience, under another key or algorithm,
                incomplete, or expired. The text never tells anything of the token.
        """
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise errors.Unauthenticated(_REFUSED)
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                # Times are compared below, by the clock that was given.
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise errors.Unauthenticated(_REFUSED) from None
        issued_at, expires_at = _milliseconds(claims["iat"]), _milliseconds(claims["exp"])
        if expires_at <= self._clock():
            raise errors.Unauthenticated("the access token has expired", reason="TOKEN_EXPIRED")
        return Verified(_caller(claims), issued_at, expires_at)

    def _issue(self, claims: dict[str, Any], life: int) -> tuple[str, int]:
        now = self._clock()
        # To the millisecond, so that a sign-in right after a revocation is told from one right before it.
        claims |= {"iss": _ISSUER, "aud": _AUDIENCE, "iat": now / 1000, "exp": now // 1000 + life}
        token = jwt.encode(claims, self._keys[self._current], algorithm=_ALGORITHM, headers={"kid": self._current})
        return token, claims["exp"] * 1000


def _kid(key: bytes) -> str:
    """Names the key without telling anything of it, so that a token of a replaced key is known as such."""
    return hashlib.sha256(b"kid:" + key).hexdigest()[:16]


def _milliseconds(seconds: object) -> int:
    if type(seconds) not in (int, float) or not 0 <= seconds < 2**40:  # type: ignore[operator]
        raise errors.Unauthenticated(_REFUSED)
    return round(seconds * 1000)  # type: ignore[operator]


def _caller(claims: dict[str, Any]) -> Caller:
    match claims:
        case {"typ": "user", "sub": str(user_id), "sid": str(session_id), "admin": bool(is_admin)} if user_id:
            return Caller(user_id=user_id, is_admin=is_admin, session_id=session_id)
        case {"typ": "service", "sub": str(service), "user": str(user_id), "admin": bool(is_admin)} if service:
            return Caller(user_id=user_id, service=service, is_admin=is_admin)
    raise errors.Unauthenticated(_REFUSED)
