"""What every store promises of a commit: all or nothing, at the expected revisions, and nobody else's to change."""

from __future__ import annotations

import asyncio

import pytest
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Conflict, Invalid, Unavailable
from libs.common.store.port import CollectionSpec, Delete, Put, Query, Store, Write
from tests.conformance.specimens import HOSTILE_IDS, LEASES, NOTES, THREADS, put, thread


async def revision_of(store: Store, id: str) -> int:
    """The thread's revision; 0 where there is none."""
    stored = await store.get(THREADS, id)
    return stored.revision if stored else 0


async def test_a_document_comes_back_as_it_went_in(store: Store) -> None:
    message = thread("t1", at=1_700_000_000_123, title="Grüße 👋")
    message.models["gpt-5"].last_temperature = 0.0
    await store.commit([put(message, 0)])
    stored = await store.get(THREADS, "t1")
    assert stored is not None
    assert (stored.id, stored.revision, stored.message) == ("t1", 1, message)


async def test_an_absent_document_is_none(store: Store) -> None:
    assert await store.get(THREADS, "t1") is None


async def test_every_write_moves_the_revision_by_one(store: Store) -> None:
    await store.commit([put(thread("t1"), 0)])
    await store.commit([put(thread("t1", title="second"), 1)])
    await store.commit([put(thread("t1", title="third"))])
    stored = await store.get(THREADS, "t1")
    assert stored is not None
    assert (stored.revision, stored.message.title) == (3, "third")


async def test_an_unconditional_put_creates(store: Store) -> None:
    await store.commit([put(thread("t1"))])
    assert await revision_of(store, "t1") == 1


async def test_a_document_that_was_deleted_begins_again_at_one(store: Store) -> None:
    await store.commit([put(thread("t1"), 0)])
    await store.commit([put(thread("t1"), 1)])
    await store.commit([Delete("threads", "t1", 2)])
    assert await store.get(THREADS, "t1") is None
    await store.commit([put(thread("t1"), 0)])
    assert await revision_of(store, "t1") == 1


@pytest.mark.parametrize(
    "write",
    [
        put(thread("there", title="changed"), 0),
        put(thread("there", title="changed"), 1),
        put(thread("there", title="changed"), 3),
        put(thread("there", title="changed"), 2**70),
        put(thread("absent"), 1),
        Delete("threads", "there", 0),
        Delete("threads", "there", 1),
        Delete("threads", "there", 3),
        Delete("threads", "absent", 1),
    ],
    ids=str,
)
async def test_a_write_at_another_revision_conflicts(store: Store, write: Write) -> None:
    await store.commit([put(thread("there"), 0)])
    await store.commit([put(thread("there"), 1)])
    with pytest.raises(Conflict) as conflict:
        await store.commit([write])
    assert (conflict.value.collection, conflict.value.id) == ("threads", write.id)
    stored = await store.get(THREADS, "there")
    assert stored is not None
    assert (stored.revision, stored.message.title) == (2, "")
    assert await store.get(THREADS, "absent") is None


async def test_a_deletion_may_ask_for_absence(store: Store) -> None:
    await store.commit([Delete("threads", "absent", 0), put(thread("t1"), 0)])
    assert await revision_of(store, "t1") == 1


async def test_an_unconditional_deletion_takes_whatever_is_there(store: Store) -> None:
    await store.commit([put(thread("t1"))])
    await store.commit([Delete("threads", "t1"), Delete("threads", "never there")])
    assert await store.get(THREADS, "t1") is None


async def test_a_commit_spans_collections(store: Store) -> None:
    await store.commit([put(thread("t1"), 0), Put("leases", "t1", Lease(holder="h"), 0)])
    lease = await store.get(LEASES, "t1")
    assert lease is not None
    assert lease.message == Lease(holder="h")


async def test_a_conflict_in_the_middle_leaves_nothing(store: Store) -> None:
    await store.commit([put(thread("old"), 0), put(thread("doomed"), 0), put(thread("taken"), 0)])
    with pytest.raises(Conflict, match="taken"):
        await store.commit(
            [
                put(thread("new"), 0),
                put(thread("old", title="changed"), 1),
                Delete("threads", "doomed", 1),
                Put("leases", "new", Lease(), 0),
                put(thread("taken"), 0),
                put(thread("later"), 0),
            ]
        )
    assert [(stored.id, stored.revision) for stored in await store.query(Query.by_id(THREADS))] == [
        ("doomed", 1),
        ("old", 1),
        ("taken", 1),
    ]
    assert await store.get(LEASES, "new") is None


async def test_a_conflict_names_the_first_document_that_moved(store: Store) -> None:
    await store.commit([put(thread("a"), 0), put(thread("b"), 0)])
    with pytest.raises(Conflict) as conflict:
        await store.commit([put(thread("c")), put(thread("b"), 0), put(thread("a"), 7), put(thread("d"), 1)])
    assert conflict.value.id == "b"


async def test_a_failing_commit_takes_no_other_with_it(store: Store) -> None:
    await store.commit([put(thread("taken"), 0)])
    outcomes = await asyncio.gather(
        *(
            store.commit(
                [put(thread(f"first_{number}"), 0), put(thread("taken" if number % 3 == 1 else f"t_{number}"), 0)]
            )
            for number in range(30)
        ),
        return_exceptions=True,
    )
    failed = [number for number, outcome in enumerate(outcomes) if outcome is not None]
    assert failed == list(range(1, 30, 3))
    assert all(isinstance(outcomes[number], Conflict) for number in failed)
    there = {stored.id for stored in await store.query(Query.by_id(THREADS, "first_"))}
    assert there == {f"first_{number}" for number in range(30) if number not in failed}


async def test_of_many_that_create_the_same_document_one_wins(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.commit([put(thread("t1", title=str(n)), 0), put(thread(f"mine_{n}"), 0)]) for n in range(20)),
        return_exceptions=True,
    )
    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert [stored.id for stored in await store.query(Query.by_id(THREADS, "mine_"))] == [f"mine_{winner}"]
    stored = await store.get(THREADS, "t1")
    assert stored is not None
    assert stored.message.title == str(winner)


async def test_concurrent_increments_sum_up(store: Store) -> None:
    await store.commit([put(thread("t1"), 0)])

    async def add(times: int) -> None:
        while times:
            stored = await store.get(THREADS, "t1")
            assert stored is not None
            stored.message.total_messages += 1
            try:
                await store.commit([put(stored.message, stored.revision)])
                times -= 1
            except Conflict:
                continue

    await asyncio.gather(*(add(5) for _ in range(10)))
    stored = await store.get(THREADS, "t1")
    assert stored is not None
    assert (stored.message.total_messages, stored.revision) == (50, 51)


@pytest.mark.parametrize("id", HOSTILE_IDS, ids=ascii)
async def test_any_id_is_kept_as_it_is(store: Store, id: str) -> None:
    await store.commit([put(thread(id, title="x"), 0)])
    await store.commit([put(thread(id, title="y"), 1)])
    stored = await store.get(THREADS, id)
    assert stored is not None
    assert (stored.id, stored.message.title) == (id, "y")
    assert [stored.id for stored in await store.get_many(THREADS, [id])] == [id]
    assert [stored.id for stored in await store.query(Query.by_id(THREADS, id))] == [id]
    await store.commit([Delete("threads", id, 2)])
    assert await store.get(THREADS, id) is None


@pytest.mark.parametrize("id", ["", "x" * 257, "a\0b", "\ud800", "x\udfff"], ids=ascii)
async def test_an_id_out_of_the_rules_is_refused(store: Store, id: str) -> None:
    for write in (Put("threads", id, Thread()), Delete("threads", id)):
        with pytest.raises(Invalid):
            await store.commit([put(thread("beside"), 0), write])
    assert await store.get(THREADS, "beside") is None
    assert await store.get(THREADS, id) is None
    assert await store.get_many(THREADS, [id]) == []


async def test_a_document_stands_in_a_commit_once(store: Store) -> None:
    with pytest.raises(Invalid):
        await store.commit([put(thread("t1"), 0), Delete("threads", "t1")])
    await store.commit([put(thread("t1"), 0), Put("leases", "t1", Lease(), 0)])


async def test_mistakes_of_the_caller_are_told_apart_from_data(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.commit([put(thread("t1"), 0), Put("leases", "t1", Thread())])
    with pytest.raises(KeyError):
        await store.commit([put(thread("t1"), 0), Put("undeclared", "t1", Thread())])
    with pytest.raises(KeyError):
        await store.get(CollectionSpec("undeclared", Thread), "t1")
    assert await store.get(THREADS, "t1") is None


async def test_an_empty_commit_is_fine(store: Store) -> None:
    await store.commit([])


async def test_a_document_of_one_mebibyte(store: Store) -> None:
    large = JournalEntry(after=bytes(range(256)) * 4096, actor="é" * 1000)
    await store.commit([Put("notes", f"n{number}", large, 0) for number in range(3)])
    stored = await store.get(NOTES, "n2")
    assert stored is not None
    assert stored.message == large


async def test_five_hundred_writes_are_one_commit(store: Store) -> None:
    writes: list[Write] = [put(thread(f"t{number:03}"), 0) for number in range(500)]
    await store.commit(writes)
    assert await store.count(Query.by_id(THREADS)) == 500
    with pytest.raises(Conflict, match="t250"):
        await store.commit([put(thread(f"t{number:03}"), 0 if number == 250 else 1) for number in range(500)])
    assert {stored.revision for stored in await store.query(Query.by_id(THREADS))} == {1}
    await store.commit([Delete("threads", f"t{number:03}", 1) for number in range(500)])
    assert await store.count(Query.by_id(THREADS)) == 0


async def test_who_is_cancelled_hears_of_it(store: Store) -> None:
    await store.commit([put(thread("t1"), 0)])
    for steps in range(100):  # of the event loop, between the beginning of the read and its cancellation
        reading = asyncio.create_task(store.get(THREADS, "t1"))
        for _ in range(steps):
            await asyncio.sleep(0)
        if reading.cancel():
            await asyncio.wait([reading])
            assert reading.cancelled(), f"after {steps} steps"


async def test_a_cancelled_commit_is_whole_or_absent(store: Store) -> None:
    for round_ in range(20):
        commit = asyncio.create_task(store.commit([put(thread(f"{round_}.{part}"), 0) for part in range(5)]))
        for _ in range(round_ % 5):
            await asyncio.sleep(0)
        commit.cancel()
        await asyncio.gather(commit, return_exceptions=True)
    await store.commit([put(thread("after"), 0)])
    for round_ in range(20):
        assert await store.count(Query.by_id(THREADS, f"{round_}.")) in (0, 5)


async def test_a_message_belongs_to_who_holds_it(store: Store) -> None:
    message = thread("t1", title="as committed")
    commit = asyncio.create_task(store.commit([put(message, 0)]))
    await asyncio.sleep(0)
    message.title = "changed while it is committed"
    await commit
    message.title = "changed later"
    first = await store.get(THREADS, "t1")
    assert first is not None
    assert first.message.title == "as committed"
    first.message.title = "changed after it was read"
    (second,) = await store.query(Query.by_id(THREADS))
    assert second.message.title == "as committed"


async def test_a_commit_is_seen_as_soon_as_it_returns(store: Store) -> None:
    async def commit_and_look(number: int) -> None:
        await store.commit([put(thread(f"t{number}", user=f"u{number}"), 0)])
        assert await revision_of(store, f"t{number}") == 1
        assert await store.count(Query.where(THREADS, user_id=f"u{number}", order="total_messages")) == 1

    await asyncio.gather(*(commit_and_look(number) for number in range(50)))


async def test_a_closed_store_is_unavailable(store: Store) -> None:
    await store.ping()
    pending = [asyncio.create_task(store.commit([put(thread(f"t{number}"), 0)])) for number in range(10)]
    await asyncio.sleep(0)
    await asyncio.gather(store.close(), store.close())
    await asyncio.gather(*pending, return_exceptions=True)
    await store.close()
    for refused in (
        store.ping(),
        store.get(THREADS, "t1"),
        store.get_many(THREADS, ["t1"]),
        store.query(Query.by_id(THREADS)),
        store.count(Query.by_id(THREADS)),
        store.commit([put(thread("t1"))]),
    ):
        with pytest.raises(Unavailable):
            await refused


async def test_a_copy_has_the_revision_that_it_had_elsewhere(store: Store) -> None:
    await store.commit([Put("threads", "copied", thread("copied"), 0, revision=7)])
    await store.commit([put(thread("copied", title="changed"), 7)])
    stored = await store.get(THREADS, "copied")
    assert stored is not None
    assert (stored.revision, stored.message.title) == (8, "changed")
    await store.commit([Put("threads", "copied", thread("copied"), revision=3)])
    assert [stored.revision for stored in await store.get_many(THREADS, ["copied"])] == [3]


async def test_no_copy_has_a_revision_below_the_first(store: Store) -> None:
    with pytest.raises(Invalid):
        await store.commit([Put("threads", "copied", thread("copied"), revision=0)])
