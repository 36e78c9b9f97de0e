"""Opens a process's counts by its bus's URL: the one place that chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.access.counts import Counts, InProcessCounts
from libs.common.events.open import is_shared


@asynccontextmanager
async def open_counts(bus_url: str) -> AsyncIterator[Counts]:
    """The counts, until the context is left: shared by the processes that share a bus.

    Raises:
        Invalid: the URL is malformed.
    """
    if not is_shared(bus_url):
        yield InProcessCounts()
        return
    # Only where it is needed: see `open_bus`.
    from libs.common.access.redis_counts import open_redis_counts

    async with open_redis_counts(bus_url) as counts:
        yield counts
