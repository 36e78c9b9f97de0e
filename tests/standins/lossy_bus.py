"""A stand-in for a bus between processes: what is published may be lost, and may come twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.events.bus import Pulse, Sink
from libs.common.events.in_process_bus import InProcessBus


class LossyBus:
    """A `Bus` that loses and doubles by chance, from a seed, and tells of no gap.

    Attributes:
        losing: How likely it is that a delivery is lost; 1.0 for a bus that is away.
        doubling: How likely it is that one comes twice.
        subscriptions: How many there are now, by channel.
    """

    def __init__(self, *, losing: float = 0.0, doubling: float = 0.0, seed: int = 0) -> None:
        self.losing = losing
        self.doubling = doubling
        self.subscriptions: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 # the same in every run
        self._bus = InProcessBus()

    def publish(self, channel: str, payload: bytes) -> None:
        if self._random.random() < self.losing:
            return
        self._bus.publish(channel, payload)
        if self._random.random() < self.doubling:
            self._bus.publish(channel, payload)

    def pulse(self) -> Pulse:
        return Pulse(is_shared=True, is_up=True)

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        async with self._bus.subscribe(sink, *channels):
            self.subscriptions.update(channels)
            try:
                yield
            finally:
                self.subscriptions.subtract(channels)
