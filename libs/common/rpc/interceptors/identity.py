"""Who calls: established from `authorization: Bearer <token>`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from libs.common import errors
from libs.common.clock import Clock
from libs.common.context import NOBODY, Caller

AUTHORIZATION = "authorization"

# Verifies a token: gives its caller and when it expires, in milliseconds of the epoch, or raises Unauthenticated.
Authenticate = Callable[[str], tuple[Caller, int]]


class Identity:
    """Establishes callers and remembers the last `capacity` verified headers, because a signature costs more to check
    than all the rest of a call's admission.

    A remembered token's expiry is checked at every call.
    """

    def __init__(self, authenticate: Authenticate, clock: Clock, capacity: int = 10_000) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._capacity = capacity
        self._verified: dict[str, tuple[Caller, int]] = {}

    def establish(self, metadata: Mapping[str, str | bytes]) -> Caller:
        """The caller that the metadata proves; `NOBODY` where it claims none.

        Raises:
            Unauthenticated: the header is malformed, or its token is wrong or expired.
        """
        header = metadata.get(AUTHORIZATION)
        if header is None:
            return NOBODY
        if not isinstance(header, str):
            raise errors.Unauthenticated("the authorization header is not text")
        caller, expires_at = self._verified.get(header) or self._verify(header)
        if expires_at <= self._clock():
            self._verified.pop(header, None)
            raise errors.Unauthenticated("the access token has expired", reason="TOKEN_EXPIRED")
        return caller

    def _verify(self, header: str) -> tuple[Caller, int]:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.Unauthenticated("the authorization header is not of the form `Bearer <token>`")
        verified = self._authenticate(token.strip())
        if len(self._verified) >= self._capacity:
            del self._verified[next(iter(self._verified))]
        self._verified[header] = verified
        return verified
