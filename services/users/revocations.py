"""Ending what was issued before its time: stored with the change that ends it, told to every process at once."""

from __future__ import annotations

from llmchat.access.v1.access_service_pb2 import Revocation
from ulid import ULID

from libs.common.access.revocation_feed import CHANNEL
from libs.common.clock import Clock, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.bus import Bus
from libs.common.rpc.interceptors.revocations import Revocations
from libs.common.store.port import Query
from services.users.collections import REVOCATIONS

# Milliseconds that a revocation is kept beyond the life of the tokens that it is about: clocks may be apart by so much.
_MARGIN_MS = 300_000


class RevocationLog:
    """Writes revocations. `life` is an access token's, in seconds."""

    def __init__(self, revocations: Revocations, bus: Bus, life: float, clock: Clock) -> None:
        self._revocations = revocations
        self._bus = bus
        self._kept_ms = int(life * 1000) + _MARGIN_MS
        self._clock = clock

    def revoke(self, unit: Unit, subject: str) -> None:
        """Stages that what was issued to `subject` until now is refused, here and everywhere once it is committed.

        Args:
            unit: of the change that ends it. It has read what it changes: a token is issued in the unit of a sign-in,
                so one that this unit has seen is older than this call, and the others meet a conflict.
            subject: as `Revocation.subject` says it.
        """
        now = self._clock()
        revocation = Revocation(
            id=f"revocation_{str(ULID()).lower()}",
            subject=subject,
            revoked_at=timestamp(now),
            expires_at=timestamp(now + self._kept_ms),
        )
        unit.create(REVOCATIONS, revocation)
        unit.then(lambda: self._tell(revocation))

    async def load(self, documents: Documents) -> None:
        """Refuses what was revoked before this process began."""
        query, token = Query.where(REVOCATIONS, order="revoked_at"), ""
        while True:
            page = await documents.page(query, token)
            for revocation in page.items:
                self._revocations.apply(revocation)
            token = page.next_token
            if not token:
                return

    def _tell(self, revocation: Revocation) -> None:
        # Here before the answer goes out; elsewhere as fast as the bus is.
        self._revocations.apply(revocation)
        self._bus.publish(CHANNEL, revocation.SerializeToString())
