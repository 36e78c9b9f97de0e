"""Opens a process's bus by its URL: the one place that chooses a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.errors import Invalid
from libs.common.events.bus import Bus
from libs.common.events.in_process_bus import InProcessBus

_MEMORY = "memory://"
_REDIS = ("redis", "rediss")


def is_shared(url: str) -> bool:
    """Whether the bus reaches other processes."""
    return url != _MEMORY


@asynccontextmanager
async def open_bus(url: str) -> AsyncIterator[Bus]:
    """The bus, until the context is left.

    - `memory://`: within this process.
    - `redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`, `rediss://` with TLS: see `open_redis_bus`.

    Raises:
        Invalid: no provider serves the URL, or it is malformed.
    """
    if url == _MEMORY:
        yield InProcessBus()
        return
    scheme = url.partition(":")[0]
    if scheme not in _REDIS:
        raise Invalid(f"no bus for {scheme!r} URLs: known are {_MEMORY} and redis://HOST:PORT", reason="UNKNOWN_BUS")
    # The embedded way needs neither the 10 MB nor the tenth of a second that importing redis-py takes.
    from libs.common.events.redis_bus import open_redis_bus

    async with open_redis_bus(url) as bus:
        yield bus
