"""A subscription as something to iterate over, with a bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.events.bus import GAP, Bus, Delivery, Gap


@asynccontextmanager
async def subscribed(bus: Bus, *channels: str, size: int = 1000) -> AsyncIterator[AsyncIterator[Delivery | Gap]]:
    """What the channels bring, from the moment that the context is entered.

    At most `size` items wait: one more, and all of them are dropped for a `Gap`.
    """
    queue = _Queue(size)
    async with bus.subscribe(queue.put, *channels):
        yield queue.drain()


class _Queue:
    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Delivery | Gap] = deque()
        self._filled = asyncio.Event()

    def put(self, item: Delivery | Gap) -> None:
        if len(self._items) >= self._size:
            self._items.clear()
            item = GAP
        self._items.append(item)
        self._filled.set()

    async def drain(self) -> AsyncIterator[Delivery | Gap]:
        while True:
            await self._filled.wait()
            while self._items:
                yield self._items.popleft()
            self._filled.clear()
