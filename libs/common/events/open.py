"""Opens a process's bus by its URL: the one place that chooses a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.errors import Invalid
from libs.common.events.bus import Bus
from libs.common.events.in_process_bus import InProcessBus

_MEMORY = "memory://"


def is_shared(url: str) -> bool:
    """Whether the bus reaches other processes."""
    return url != _MEMORY


@asynccontextmanager
async def open_bus(url: str) -> AsyncIterator[Bus]:
    """The bus, until the context is left.

    - `memory://`: within this process.

    Raises:
        Invalid: no provider serves the URL.
    """
    if url == _MEMORY:
        yield InProcessBus()
        return
    scheme = url.partition(":")[0]
    raise Invalid(f"no bus for {scheme!r} URLs: known is {_MEMORY}", reason="UNKNOWN_BUS")
