"""Hints about answers from process to process: what the store says is looked up by who hears one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from libs.common.events.bus import Bus, Delivery, Gap

_EVERY_REPLICA = "answers"


class Hints:
    """Tells other replicas that they have lost an answer, or may begin one; without a bus there are none."""

    def __init__(self, bus: Bus | None, replica: str) -> None:
        self._bus = bus
        self._replica = replica

    def tell_writer(self, replica: str, message_id: str) -> None:
        """Tells the replica that it does not write this answer any more."""
        self._publish(f"{_EVERY_REPLICA}.{replica}", message_id)

    def tell_all(self, message_id: str) -> None:
        """Tells every replica that this answer is for whoever comes first."""
        self._publish(_EVERY_REPLICA, message_id)

    @asynccontextmanager
    async def heard(self, hear: Callable[[str], None]) -> AsyncIterator[None]:
        """Calls `hear` with the id of each answer that this process is told of, while the context is open."""

        def take(item: Delivery | Gap) -> None:
            # What a gap swallowed is found when leases are renewed and looked through.
            if isinstance(item, Delivery):
                hear(item.payload.decode())

        if self._bus is None:
            yield
            return
        async with self._bus.subscribe(take, _EVERY_REPLICA, f"{_EVERY_REPLICA}.{self._replica}"):
            yield

    def _publish(self, channel: str, message_id: str) -> None:
        if self._bus is not None:
            self._bus.publish(channel, message_id.encode())
