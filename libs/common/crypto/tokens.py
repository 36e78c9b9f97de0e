"""Access tokens: short-lived signed JWTs (RFC 7519, HS256), of users and of services that act for them."""

from __future__ import annotations

import hashlib
from typing import Any

import jwt

from libs.common import errors
from libs.common.clock import Clock, wall_clock
from libs.common.context import Caller

USER_LIFE = 3600
SERVICE_LIFE = 300

_ALGORITHM = "HS256"
_ISSUER = "llmchat"
_AUDIENCE = "llmchat"
_REFUSED = "the access token is not valid"


class Tokens:
    """Issues and verifies tokens under one key. Lives are in seconds; times out are in milliseconds of the epoch."""

    def __init__(self, key: bytes, clock: Clock = wall_clock) -> None:
        self._key = key
        self._clock = clock
        # Names the key without telling anything of it, so that a token of a replaced key is known as such.
        self._kid = hashlib.sha256(b"kid:" + key).hexdigest()[:16]

    def issue_user(self, user_id: str, is_admin: bool, life: int = USER_LIFE) -> tuple[str, int]:
        """A token of the user, and when it expires."""
        return self._issue({"typ": "user", "sub": user_id, "admin": is_admin}, life)

    def issue_service(self, service: str, user_id: str, is_admin: bool, life: int = SERVICE_LIFE) -> tuple[str, int]:
        """A token of the service, acting for the user where `user_id` is not empty, and when it expires."""
        return self._issue({"typ": "service", "sub": service, "user": user_id, "admin": is_admin}, life)

    def verify(self, token: str) -> tuple[Caller, int]:
        """Who the token stands for, and when it expires.

        Raises:
            Unauthenticated: it is malformed, not of this issuer, for another audience, under another key or algorithm,
                incomplete, or expired. The text never tells anything of the token.
        """
        try:
            if jwt.get_unverified_header(token).get("kid") != self._kid:
                raise errors.Unauthenticated(_REFUSED)
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                # Times are compared below, by the clock that was given.
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            raise errors.Unauthenticated(_REFUSED) from None
        expires = claims["exp"]
        if type(expires) is not int or type(claims["iat"]) is not int:
            raise errors.Unauthenticated(_REFUSED)
        if expires * 1000 <= self._clock():
            raise errors.Unauthenticated("the access token has expired", reason="TOKEN_EXPIRED")
        return _caller(claims), expires * 1000

    def _issue(self, claims: dict[str, Any], life: int) -> tuple[str, int]:
        now = self._clock() // 1000
        expires = now + life
        claims |= {"iss": _ISSUER, "aud": _AUDIENCE, "iat": now, "exp": expires}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._kid}), expires * 1000


def _caller(claims: dict[str, Any]) -> Caller:
    match claims:
        case {"typ": "user", "sub": str(user_id), "admin": bool(is_admin)} if user_id:
            return Caller(user_id=user_id, is_admin=is_admin)
        case {"typ": "service", "sub": str(service), "user": str(user_id), "admin": bool(is_admin)} if service:
            return Caller(user_id=user_id, service=service, is_admin=is_admin)
    raise errors.Unauthenticated(_REFUSED)
