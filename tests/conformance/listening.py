"""A sink that keeps what it is brought."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from libs.common.events.bus import Delivery, Gap


class Listener:
    """Call it as a sink; `items` are what came, in order."""

    def __init__(self) -> None:
        self.items: list[Delivery | Gap] = []
        self._came = asyncio.Event()

    def __call__(self, item: Delivery | Gap) -> None:
        self.items.append(item)
        self._came.set()

    @property
    def payloads(self) -> list[bytes]:
        """What the deliveries carried."""
        return [item.payload for item in self.items if isinstance(item, Delivery)]

    async def until(self, holds: Callable[[], object], *, within: float = 20.0) -> None:
        """Returns when something came and it `holds`; fails after `within` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not holds():
                    self._came.clear()
                    await self._came.wait()
                return
        raise AssertionError(f"still not so after {within} s; what came last: {self.items[-3:]}")

    async def count(self, deliveries: int) -> None:
        """Returns when so many deliveries have come."""
        await self.until(lambda: len(self.payloads) >= deliveries)
