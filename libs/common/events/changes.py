"""Changes of documents, told as hints: the bus says where to look, the store says what is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from libs.common.caching.port import Cache
from libs.common.documents.unit import Unit
from libs.common.errors import Unavailable
from libs.common.events.bus import Bus, Delivery, Gap

_MOST_IDS = 256

# What those watch whom every document of a collection concerns.
EVERYTHING = "everything"


def change_channel(collection: str, key: str) -> str:
    """Where it is told, on the bus, which of a collection's documents those who watch `key` are to look at."""
    return f"changes.{collection}.{key}"


class Changes:
    """Tells watchers on every replica, this one among them, which of a collection's documents to look at.

    A hint may be lost, and come twice or late. So a watcher looks at everything it watches when it begins, when hints
    may be missing, and every `watchdog` seconds (less up to a quarter, so that not all look at once); with the bus away
    it learns the same things, later.

    What `cache` remembers in the scope of a key's channel is forgotten whenever its watchers are told, and unlike their
    hint that is not lost with a caller who is cancelled.
    """

    def __init__(self, bus: Bus, collection: str, watchdog: float, cache: Cache | None = None) -> None:
        self._bus = bus
        self._cache = cache
        self._collection = collection
        self._watchdog = watchdog
        # In the order in which they came.
        self._watched: dict[Hints, None] = {}
        self._closed = False

    def tell(self, unit: Unit, key: str, id: str) -> None:
        """Has those who watch `key` look at the document `id`, once the unit is committed."""
        channel = change_channel(self._collection, key)
        if self._cache is not None:
            unit.then(partial(self._cache.forget, channel))
        unit.hint(partial(self._bus.publish, channel, id.encode()))

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[Hints]:
        """What is told to `key` while the context is open. To be entered before the first look at the store."""
        hints = Hints(self._watchdog)
        if self._closed:
            hints.close()
        async with self._bus.subscribe(hints.put, change_channel(self._collection, key)):
            self._watched[hints] = None
            try:
                yield hints
            finally:
                del self._watched[hints]
                hints.rest()

    async def close(self) -> None:
        """Sends every watcher elsewhere, and those that come later too. `tell` goes on."""
        self._closed = True
        for hints in self._watched:
            hints.close()


class Hints:
    """Iterates over where to look: the id of a document, each once however often it was told, or None for everything.

    The first is None. At most 256 ids wait: one more, and they become a None.
    """

    def __init__(self, watchdog: float) -> None:
        self._watchdog = watchdog
        self._ids: dict[str, None] = {}
        self._everything = True
        self._closed = False
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: Delivery | Gap) -> None:
        """Takes what the bus brings."""
        if isinstance(item, Gap):
            self.look()
            return
        self._ids[item.payload.decode(errors="replace")] = None
        if len(self._ids) > _MOST_IDS:
            self._ids.clear()
            self.look()
        self._woken.set()

    def look(self) -> None:
        """Has everything looked at next."""
        self._everything = True
        self._woken.set()

    def close(self) -> None:
        """Ends the iteration, for the process is stopping."""
        self._closed = True
        self._woken.set()

    def rest(self) -> None:
        """Lets go of the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def __aiter__(self) -> Hints:
        return self

    async def __anext__(self) -> str | None:
        """Where to look next, once there is something.

        Raises:
            Unavailable: the process is stopping.
        """
        while not (self._closed or self._everything or self._ids):
            self._woken.clear()
            await self._woken.wait()
        if self._closed:
            raise Unavailable("this replica is stopping: watch again", reason="STOPPING", retry_after=0.1)
        if self._everything:
            self._everything = False
            self._wait_for_the_next_look()
            return None
        id = next(iter(self._ids))
        del self._ids[id]
        return id

    def _wait_for_the_next_look(self) -> None:
        self.rest()
        seconds = self._watchdog * random.uniform(0.75, 1.0)  # noqa: S311 # jitter, not a secret
        self._timer = asyncio.get_running_loop().call_later(seconds, self.look)
