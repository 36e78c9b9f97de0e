"""Who calls: established from `authorization: Bearer <access token or access key>`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from libs.common import errors
from libs.common.clock import Clock
from libs.common.context import NOBODY, Caller, Verified
from libs.common.rpc.interceptors.revocations import Revocations

AUTHORIZATION = "authorization"
# How every access key begins.
ACCESS_KEY_PREFIX = "llmchat_"

# Verifies an access token, or raises Unauthenticated.
Authenticate = Callable[[str], Verified]
# Finds out whom an access key stands for, or raises Unauthenticated.
Resolve = Callable[[str], Awaitable[Verified]]


class Identity:
    """Establishes callers and remembers the last `capacity` verified headers, because a signature costs more to check
    than all the rest of a call's admission.

    Whether it has expired or has been revoked meanwhile is asked at every call.
    """

    def __init__(
        self,
        authenticate: Authenticate,
        resolve: Resolve,
        revocations: Revocations,
        clock: Clock,
        capacity: int = 2_000,
    ) -> None:
        self._authenticate = authenticate
        self._resolve = resolve
        self._revocations = revocations
        self._clock = clock
        self._capacity = capacity
        self._verified: dict[str, Verified] = {}

    async def establish(self, metadata: Mapping[str, str | bytes], *, allow_deleted: bool = False) -> Caller:
        """The caller that the metadata proves; `NOBODY` where it claims none.

        `allow_deleted`: a person whose account has just been deleted still counts.

        Raises:
            Unauthenticated: the header is malformed, or its token or key is wrong, expired or revoked.
            Unavailable: nobody can say whom an access key stands for.
        """
        header = metadata.get(AUTHORIZATION)
        if header is None:
            return NOBODY
        if not isinstance(header, str):
            raise errors.Unauthenticated("the authorization header is not text")
        verified = self._verified.get(header) or await self._verify(header)
        if verified.expires_at <= self._clock():
            self._verified.pop(header, None)
            raise errors.Unauthenticated("the access token has expired", reason="TOKEN_EXPIRED")
        self._revocations.require_standing(verified, allow_deleted=allow_deleted)
        return verified.caller

    async def _verify(self, header: str) -> Verified:
        scheme, _, credential = header.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise errors.Unauthenticated("the authorization header is not of the form `Bearer <token>`")
        if credential.startswith(ACCESS_KEY_PREFIX):
            return await self._resolve(credential)
        verified = self._authenticate(credential)
        if len(self._verified) >= self._capacity:
            del self._verified[next(iter(self._verified))]
        self._verified[header] = verified
        return verified
