"""Copies of all specimens between two places, and a process that makes one and tells how far it is.

`python -m tests.conformance.copying SOURCE DESTINATION` prints a line per commit, until it is done or killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.store.copying import Contents, begun, contents, copy
from libs.common.store.port import Put, Store
from tests.conformance.places import Place
from tests.conformance.specimens import HOSTILE_IDS, SPECS, put, thread

_AT_ONCE = 100


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Store]:
    """The place's store, until the context is left."""
    store = await place.open()
    try:
        yield store
    finally:
        await store.close()


async def fill(place: Place, documents: int) -> None:
    """Puts that many threads and as many notes, some of them at later revisions than the first."""
    async with opened(place) as store:
        for start in range(0, documents, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, documents))
            await store.commit([put(_thread(number)) for number in numbers])
            await store.commit([Put("notes", f"n{number:07}", _note(number)) for number in numbers])
            await store.commit([put(_thread(number)) for number in numbers if number % 10 == 0])


async def fill_with_what_is_hard_to_keep(place: Place) -> None:
    """Hostile ids, notes of half a megabyte, revisions beyond 32 bits."""
    async with opened(place) as store:
        await store.commit([put(thread(id, title=id)) for id in HOSTILE_IDS])
        for number in range(5):
            entry = JournalEntry(id="x", collection=HOSTILE_IDS[number], revision=2**40, after=bytes(range(256)) * 2000)
            await store.commit([Put("notes", f"large{number}", entry)])
        await store.commit([Put("notes", "old", JournalEntry(id="old"), revision=2**40)])


async def copied(source: Place, destination: Place, told: Callable[[int], None] = lambda _: None) -> None:
    """A copy of all collections, begun or gone on with."""
    async with opened(source) as here, opened(destination) as there:
        for spec in SPECS:
            await copy(here, there, spec, await begun(here, there, spec), copied=told)


async def contents_of(place: Place) -> dict[str, Contents]:
    """What each of the place's collections holds."""
    async with opened(place) as store:
        return {spec.name: await contents(store, spec) for spec in SPECS}


def _thread(number: int) -> Thread:
    made = thread(f"t{number:07}", user=f"user_{number % 100}", at=1_700_000_000_000 + number, title=f"Thread {number}")
    made.settings.tags.extend(["copied", "東京"])
    made.models["echo"].summary = f"about {number}"
    return made


def _note(number: int) -> JournalEntry:
    return JournalEntry(id=f"n{number:07}", collection="threads", revision=number, after=b"\x00\xff" * 100)


def tell(count: int) -> None:
    os.write(1, b"%d\n" % count)


if __name__ == "__main__":
    source, destination = map(Place.parse, sys.argv[1:])
    asyncio.run(copied(source, destination, tell))
