"""The bus of the embedded way: one process, bounded queues."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.events.bus import Delivery


class InProcessBus:
    """A `Bus` within one event loop. A full queue drops what comes, as Redis drops a slow subscriber."""

    def __init__(self, queue_size: int = 1024) -> None:
        self._queue_size = queue_size
        self._subscribers: defaultdict[str, set[asyncio.Queue[Delivery]]] = defaultdict(set)

    async def publish(self, channel: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        for queue in self._subscribers.get(channel, ()):
            if not queue.full():
                queue.put_nowait(Delivery(channel, payload))

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[AsyncIterator[Delivery]]:
        """See `Bus.subscribe`."""
        queue: asyncio.Queue[Delivery] = asyncio.Queue(self._queue_size)
        for channel in channels:
            self._subscribers[channel].add(queue)
        try:
            yield _drain(queue)
        finally:
            for channel in channels:
                self._subscribers[channel].discard(queue)


async def _drain(queue: asyncio.Queue[Delivery]) -> AsyncIterator[Delivery]:
    while True:
        yield await queue.get()
