"""Ending what was issued before its time: stored with the change that ends it, told to every process at once."""

from __future__ import annotations

from llmchat.access.v1.access_service_pb2 import Revocation
from ulid import ULID

from libs.common.access.revocation_feed import CHANNEL
from libs.common.clock import timestamp
from libs.common.documents.unit import Unit
from libs.common.events.bus import Bus
from libs.common.rpc.interceptors.revocations import Revocations
from services.users.collections import REVOCATIONS

# Milliseconds that a revocation is kept beyond the life of the tokens that it is about: clocks may be apart by so much.
_MARGIN_MS = 300_000


class RevocationLog:
    """Writes revocations. `life` is an access token's, in seconds."""

    def __init__(self, revocations: Revocations, bus: Bus, life: float) -> None:
        self._revocations = revocations
        self._bus = bus
        self._kept_ms = int(life * 1000) + _MARGIN_MS

    def revoke(self, unit: Unit, subject: str) -> None:
        """Stages that what was issued to `subject` until now is refused, here and everywhere once it is committed.

        Args:
            unit: of the change that ends it.
            subject: as `Revocation.subject` says it.
        """
        revocation = Revocation(
            id=f"revocation_{str(ULID()).lower()}",
            subject=subject,
            revoked_at=timestamp(unit.now),
            expires_at=timestamp(unit.now + self._kept_ms),
        )
        unit.create(REVOCATIONS, revocation)
        unit.then(lambda: self._tell(revocation))

    def _tell(self, revocation: Revocation) -> None:
        # Here before the answer goes out; elsewhere as fast as the bus is.
        self._revocations.apply(revocation)
        self._bus.publish(CHANNEL, revocation.SerializeToString())
