"""A process that commits as fast as it can and says what was acknowledged, until it is killed.

`python -m tests.conformance.acknowledging PLACE ROUND` prints a line `ROUND.CALLER.NUMBER` for every commit
that returned. `no_commit_is_torn` looks at what it left behind.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from llmchat.store.v1.lease_pb2 import Lease

from libs.common.store.port import CollectionSpec, Put, Query, Store
from tests.conformance.places import Place
from tests.conformance.specimens import LEASES, THREADS, put, thread

CALLERS = 8


async def commit_for_ever(place: Place, round_: str) -> None:
    """Each commit is a thread and a lease of the same id; some also change the caller's one counter."""
    store = await place.open()

    async def caller(name: int) -> None:
        number = 0
        while True:
            id = f"{round_}.{name}.{number}"
            counter = thread(f"counter.{round_}.{name}", total=number)
            await store.commit([put(thread(id), 0), put(counter, number), Put("leases", id, Lease(holder=id), 0)])
            os.write(1, f"{id}\n".encode())
            number += 1

    await asyncio.gather(*(caller(name) for name in range(CALLERS)))


async def no_commit_is_torn(store: Store, round_: str) -> None:
    """Every thread has its lease, and every caller's counter tells how many threads it has."""
    ids = await all_ids(store, THREADS, f"{round_}.")
    assert ids == await all_ids(store, LEASES, f"{round_}.")
    for counter in await store.query(Query.by_id(THREADS, f"counter.{round_}.")):
        caller = counter.id.removeprefix("counter.")
        assert counter.revision == counter.message.total_messages + 1 == sum(id.startswith(f"{caller}.") for id in ids)


async def all_ids(store: Store, spec: CollectionSpec[Any], prefix: str) -> list[str]:
    ids: list[str] = []
    while page := await store.query(Query.by_id(spec, prefix, after=ids[-1] if ids else None)):
        ids += [stored.id for stored in page]
    return ids


if __name__ == "__main__":
    asyncio.run(commit_for_ever(Place.parse(sys.argv[1]), sys.argv[2]))
