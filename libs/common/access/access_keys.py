"""Access keys as a process sees them that is called with them: the users service knows, and is asked now and then."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from llmchat.access.v1.access_service_pb2 import ResolveAccessKeyRequest

from libs.common.clock import Clock, milliseconds
from libs.common.context import Caller, Verified
from libs.common.errors import Unauthenticated
from libs.common.rpc.interceptors.identity import ACCESS_KEY_PREFIX
from libs.common.rpc.interceptors.revocations import Revocations

if TYPE_CHECKING:
    from llmchat.access.v1.access_service_pb2_grpc import AccessServiceAsyncStub

# The prefix, the second half of the key's id, and 32 random bytes.
_FORM = re.compile(rf"{ACCESS_KEY_PREFIX}([0-9a-z]{{26}})_[A-Za-z0-9_-]{{43}}").fullmatch
_ID_PREFIX = "key_"


def new_secret(key_id: str) -> str:
    """A secret for the key of that id."""
    return f"{ACCESS_KEY_PREFIX}{key_id.removeprefix(_ID_PREFIX)}_{secrets.token_urlsafe(32)}"


def id_within(secret: str) -> str:
    """The id of the key whose secret it would be.

    Raises:
        Unauthenticated: it has not the form of one.
    """
    match = _FORM(secret)
    if match is None:
        raise invalid_access_key()
    return f"{_ID_PREFIX}{match[1]}"


def invalid_access_key() -> Unauthenticated:
    """What is answered to every key that is no good, whatever the cause."""
    return Unauthenticated("the access key is not valid", reason="INVALID_ACCESS_KEY")


class AccessKeys:
    """Whom access keys stand for. An answer is good for `fresh` seconds, or until a revocation or the key's expiry."""

    def __init__(
        self,
        access: AccessServiceAsyncStub,
        revocations: Revocations,
        clock: Clock,
        *,
        fresh: float = 30.0,
        capacity: int = 2_000,
    ) -> None:
        self._access = access
        self._revocations = revocations
        self._clock = clock
        self._fresh_ms = int(fresh * 1000)
        self._capacity = capacity
        # By a hash: a secret does not lie about in memory.
        self._known: dict[bytes, Verified] = {}

    async def resolve(self, secret: str) -> Verified:
        """Whom the key stands for.

        Raises:
            Unauthenticated: it is unknown, revoked or expired, or its owner is out (reason INVALID_ACCESS_KEY).
            Unavailable, DeadlineExceeded: the users service does not answer.
        """
        name = hashlib.sha256(secret.encode()).digest()
        known = self._known.get(name)
        if known is not None and self._is_good(known):
            return known
        self._known.pop(name, None)
        id_within(secret)
        # From before the question: a revocation that comes while it is under way ends what is answered.
        now = self._clock()
        answer = await self._access.ResolveAccessKey(ResolveAccessKeyRequest(secret=secret))
        caller = Caller(
            user_id=answer.user_id,
            is_admin=answer.is_admin,
            access_key_id=answer.access_key_id,
            permissions=frozenset(answer.permissions),
        )
        expires_at = now + self._fresh_ms
        if answer.HasField("expires_at"):
            expires_at = min(expires_at, milliseconds(answer.expires_at))
        if len(self._known) >= self._capacity:
            del self._known[next(iter(self._known))]
        self._known[name] = Verified(caller, now, expires_at)
        return self._known[name]

    def _is_good(self, known: Verified) -> bool:
        if known.expires_at <= self._clock():
            return False
        try:
            self._revocations.require_standing(known)
        except Unauthenticated:
            return False
        return True
