"""What one process does with a store that others have open too.

`python -m tests.conformance.sharing PLACE WORK ARGUMENT…` opens the store, prints `ready`, begins when it
reads a line, and ends when it is done.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from libs.common.errors import Conflict
from libs.common.store.port import Delete, Query, Store
from tests.conformance.places import Place
from tests.conformance.specimens import THREADS, put, thread


async def increment(store: Store, times: str, *ids: str) -> None:
    """Adds one to each of the threads' totals, in one commit, so many times."""
    done = 0
    while done < int(times):
        found = await store.get_many(THREADS, ids)
        for stored in found:
            stored.message.total_messages += 1
        try:
            await store.commit([put(stored.message, stored.revision) for stored in found])
            done += 1
        except Conflict:
            continue


async def overwrite(store: Store, times: str, id: str) -> None:
    """Puts the thread whatever is there, so many times."""
    done = 0
    while done < int(times):
        try:
            await store.commit([put(thread(id, total=done))])
            done += 1
        except Conflict:  # the journal's, after its ten attempts
            continue


async def create(store: Store, count: str, name: str) -> None:
    """Tries to be the one who creates each of the threads, and prints the ids of those that it created."""
    for number in range(int(count)):
        id = f"contested.{number}"
        try:
            await store.commit([put(thread(id, title=name), 0), put(thread(f"{name}.{number}"), 0)])
        except Conflict:
            continue
        print(id, flush=True)  # noqa: T201


async def add_children(store: Store, rounds: str, name: str) -> None:
    """In each round adds children as long as their parent has no tombstone."""
    for round_ in range(int(rounds)):
        number = 0
        try:
            while True:
                child = thread(f"child.{round_}.{name}{number:05}")
                await store.commit([Delete("threads", f"tombstone.{round_}", 0), put(child, 0)])
                number += 1
        except Conflict:
            continue


async def bury(store: Store, rounds: str) -> None:
    """In each round puts the tombstone when there are children, and prints those that it then finds."""
    for round_ in range(int(rounds)):
        children = Query.by_id(THREADS, f"child.{round_}.")
        while await store.count(children) < 3:
            await asyncio.sleep(0)
        await store.commit([put(thread(f"tombstone.{round_}"), 0)])
        print(*(stored.id for stored in await store.query(children)), flush=True)  # noqa: T201


WORKS: dict[str, Callable[..., Awaitable[None]]] = {
    work.__name__: work for work in (increment, overwrite, create, add_children, bury)
}


async def work(place: str, name: str, *arguments: str) -> None:
    """Opens the store and does one of `WORKS`."""
    store = await Place.parse(place).open()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    await WORKS[name](store, *arguments)
    await store.close()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
