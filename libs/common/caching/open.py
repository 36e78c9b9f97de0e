"""Opens a process's cache by its settings: the one place that chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.caching.in_process_cache import InProcessCache
from libs.common.caching.port import Cache
from libs.common.events.open import is_shared


@asynccontextmanager
async def open_cache(bus_url: str, *, shared: bool) -> AsyncIterator[Cache | None]:
    """The cache, until the context is left: in the process where it is alone, else in Redis if `shared`, else none.

    Raises:
        Invalid: the URL is malformed.
    """
    if not is_shared(bus_url):
        yield InProcessCache()
    elif not shared:
        yield None
    else:
        # Only where it is needed: see `open_bus`.
        from libs.common.caching.redis_cache import open_redis_cache

        async with open_redis_cache(bus_url) as cache:
            yield cache
