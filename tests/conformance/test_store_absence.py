"""`Delete` at revision 0 asserts that a document does not exist at the commit, and changes nothing."""

from __future__ import annotations

import asyncio

import pytest
from llmchat.store.v1.lease_pb2 import Lease

from libs.common.errors import Conflict
from libs.common.store.port import Delete, Put, Query, Store, Write
from tests.conformance.specimens import LEASES, THREADS, put, thread

ABSENT = Delete("threads", "t", 0)


async def everything(store: Store) -> list[tuple[str, int, str]]:
    return [(stored.id, stored.revision, stored.message.title) for stored in await store.query(Query.by_id(THREADS))]


async def test_alone_it_holds_and_leaves_nothing(store: Store) -> None:
    await store.commit([ABSENT])
    await store.commit([ABSENT])
    assert await everything(store) == []
    await store.commit([put(thread("t"), 0)])
    assert await everything(store) == [("t", 1, "")]


async def test_alone_it_conflicts_with_what_is_there_and_leaves_it(store: Store) -> None:
    await store.commit([put(thread("t", title="kept"), 0)])
    for _ in range(2):
        with pytest.raises(Conflict) as conflict:
            await store.commit([ABSENT])
        assert (conflict.value.collection, conflict.value.id) == ("threads", "t")
    assert await everything(store) == [("t", 1, "kept")]


async def test_what_was_deleted_is_absent(store: Store) -> None:
    await store.commit([put(thread("t"), 0)])
    await store.commit([put(thread("t"), 1)])
    await store.commit([Delete("threads", "t", 2)])
    await store.commit([ABSENT, put(thread("beside"), 0)])
    assert await everything(store) == [("beside", 1, "")]


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_puts_beside_it_are_stored_while_it_holds_and_not_after(position: int, store: Store) -> None:
    writes: list[Write] = [put(thread("new"), 0), Put("leases", "new", Lease(holder="h"), 0)]
    writes_with_it = [*writes[:position], ABSENT, *writes[position:]]
    await store.commit([put(thread("t"), 0)])
    with pytest.raises(Conflict) as conflict:
        await store.commit(writes_with_it)
    assert conflict.value.id == "t"
    assert await everything(store) == [("t", 1, "")]
    assert await store.get(LEASES, "new") is None
    await store.commit([Delete("threads", "t", 1)])
    await store.commit(writes_with_it)
    assert await everything(store) == [("new", 1, "")]
    assert await store.get(LEASES, "new") is not None


async def test_it_asks_for_its_own_collection_alone(store: Store) -> None:
    await store.commit([Put("leases", "t", Lease(), 0)])
    await store.commit([ABSENT, put(thread("beside"), 0)])
    assert await everything(store) == [("beside", 1, "")]


async def test_among_commits_at_once_it_fails_its_own_alone(store: Store) -> None:
    await store.commit([put(thread("there"), 0)])
    outcomes = await asyncio.gather(
        *(
            store.commit([put(thread(f"child_{n:02}"), 0), Delete("threads", "there" if n % 3 == 1 else "absent", 0)])
            for n in range(30)
        ),
        *(store.commit([Delete("threads", "there" if n % 3 == 1 else "absent", 0)]) for n in range(30)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [n % 3 == 1 for n in range(30)] * 2
    stored = [f"child_{n:02}" for n in range(30) if n % 3 != 1]
    assert await everything(store) == [(id, 1, "") for id in [*stored, "there"]]


async def test_once_the_document_is_put_nothing_that_asserts_its_absence_is_stored(store: Store) -> None:
    for round_ in range(10):
        tombstone, children = f"tombstone_{round_}", Query.by_id(THREADS, f"child_{round_}.")

        async def add(name: int, round_: int = round_, tombstone: str = tombstone) -> int:
            added = 0
            while True:
                child = thread(f"child_{round_}.{name}.{added}")
                try:
                    await store.commit([Delete("threads", tombstone, 0), put(child, 0)])
                except Conflict:
                    return added
                added += 1
                await asyncio.sleep(0)  # the store in memory gives no turn of the loop away

        adding = [asyncio.create_task(add(name)) for name in range(5)]
        while await store.count(children) < round_:
            await asyncio.sleep(0)
        await store.commit([put(thread(tombstone), 0)])
        at_the_tombstone = await store.count(children)
        assert sum(await asyncio.gather(*adding)) == await store.count(children) == at_the_tombstone
