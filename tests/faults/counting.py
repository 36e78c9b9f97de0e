"""A publisher that counts aloud, and what must hold for everybody who follows it.

As a program: `python -m tests.faults.counting URL CHANNEL` counts until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from libs.common.events.bus import Bus, Delivery, Gap
from libs.common.events.open import open_bus
from tests.conformance.listening import Listener

CHANNEL = "numbers"


@asynccontextmanager
async def counting(bus: Bus, channel: str = CHANNEL) -> AsyncIterator[None]:
    """Publishes 1, 2, 3 and so on, about five hundred a second."""

    async def count() -> None:
        number = 0
        while True:
            number += 1
            bus.publish(channel, b"%d" % number)
            await asyncio.sleep(0.002)

    task = asyncio.create_task(count())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def check_numbers(items: Sequence[Delivery | Gap]) -> None:
    """Every number came once at most, in order, and where one is missing there is a gap."""
    highest, whole_since = 0, 0
    for item in items:
        if isinstance(item, Gap):
            whole_since = 0
            continue
        number = int(item.payload)
        assert number > highest, f"{number} came after {highest}"
        assert whole_since in (0, number - 1), f"{number} came after {whole_since}, without a gap"
        highest = whole_since = number


async def flows(listener: Listener, deliveries: int = 50) -> None:
    """Returns when so many more have come."""
    await listener.count(len(listener.payloads) + deliveries)


async def gap_then_flow(listener: Listener, since: int, deliveries: int = 50) -> None:
    """Returns when a gap came after the first `since` items, and so many deliveries after it."""
    await listener.until(lambda: any(isinstance(item, Gap) for item in listener.items[since:]))
    await flows(listener, deliveries)


async def main() -> None:
    async with open_bus(sys.argv[1]) as bus, counting(bus, sys.argv[2]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
