"""The bus of the embedded way: one process, one event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.events.bus import Delivery, Pulse, Sink


class InProcessBus:
    """A `Bus` within one event loop: nothing is lost, so it never tells of a gap."""

    def __init__(self) -> None:
        self._sinks: defaultdict[str, list[Sink]] = defaultdict(list)

    def publish(self, channel: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        if channel in self._sinks:
            asyncio.get_running_loop().call_soon(self._deliver, Delivery(channel, payload))

    def pulse(self) -> Pulse:
        """See `Bus.pulse`."""
        return Pulse(is_shared=False, is_up=True)

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        """See `Bus.subscribe`."""
        for channel in channels:
            self._sinks[channel].append(sink)
        try:
            yield
        finally:
            for channel in channels:
                self._sinks[channel].remove(sink)
                if not self._sinks[channel]:
                    del self._sinks[channel]

    def _deliver(self, delivery: Delivery) -> None:
        for sink in tuple(self._sinks.get(delivery.channel, ())):
            sink(delivery)
