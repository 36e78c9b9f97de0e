"""Turns of the transactions of one process.

Two transactions at the same document cost one of them all that it did, and the driver's pauses, which grow to half a
second. Those of one process need not meet: they wait for each other. Those of different processes may still meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from libs.common.errors import Unavailable

Key = tuple[str, str]  # collection, id


class Turns:
    """Lets transactions on the same documents run one after another, and so many at once in all."""

    def __init__(self, at_once: int, patience: float) -> None:
        """Who waits for longer than `patience` seconds is refused."""
        self._patience = patience
        self._places = asyncio.Semaphore(at_once)
        self._taken: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, keys: Iterable[Key]) -> AsyncIterator[None]:
        """The turn of who writes these documents.

        Raises:
            Unavailable: it did not come in time.
        """
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(self._patience):
                    for key in sorted(set(keys)):  # in one order, so that no two wait for each other
                        await turn.enter_async_context(self._taken.setdefault(key, asyncio.Lock()))
                    await turn.enter_async_context(self._places)
            except TimeoutError:
                raise Unavailable("the commits before this one took too long") from None
            yield
