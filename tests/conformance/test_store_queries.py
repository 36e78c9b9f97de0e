"""What every store promises of a query: the index's order, ties by id, and pages that lose and repeat nothing."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import milliseconds, timestamp
from libs.common.store.port import Cursor, Put, Query, Store, UnindexedQuery
from tests.conformance.specimens import HOSTILE_IDS, LEASES, NOTES, THREADS, put, thread


async def ids(store: Store, query: Query[Thread]) -> list[str]:
    """The ids that a query gives, in its order."""
    return [stored.id for stored in await store.query(query)]


def by_activity(after: Cursor | None = None, *, descending: bool = True, limit: int = 1000) -> Query[Thread]:
    """The first user's threads that are not archived."""
    return Query.where(
        THREADS,
        order="updated_at",
        user_id="user_1",
        settings__is_archived=False,
        descending=descending,
        after=after,
        limit=limit,
    )


def place_of(message: Thread) -> Cursor:
    """Where a thread stands by activity."""
    return Cursor(milliseconds(message.updated_at), message.id)


@pytest.fixture
async def tied(store: Store) -> Store:
    """Nine threads of the user on three times, and others that no query of that user's may show."""
    await store.commit([put(thread(f"t{number}", at=1000 + number % 3), 0) for number in (7, 2, 5, 0, 8, 3, 1, 6, 4)])
    await store.commit([put(thread("archived", at=1001, archived=True), 0), put(thread("other", user="user_2"), 0)])
    return store


async def test_order_is_by_value_then_by_id(tied: Store) -> None:
    ascending = ["t0", "t3", "t6", "t1", "t4", "t7", "t2", "t5", "t8"]
    assert await ids(tied, by_activity(descending=False)) == ascending
    assert await ids(tied, by_activity(descending=True)) == ascending[::-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 9, 10])
async def test_pages_join_to_the_whole(tied: Store, descending: bool, size: int) -> None:
    seen: list[str] = []
    after = None
    while page := await tied.query(by_activity(after, descending=descending, limit=size)):
        assert len(page) <= size
        seen += [stored.id for stored in page]
        after = place_of(page[-1].message)
    assert seen == await ids(tied, by_activity(descending=descending))


async def test_a_cursor_need_not_stand_on_a_row(tied: Store) -> None:
    assert await ids(tied, by_activity(Cursor(1001, "t4x"), descending=False)) == ["t7", "t2", "t5", "t8"]
    assert await ids(tied, by_activity(Cursor(1001, "t4x"), descending=True)) == ["t4", "t1", "t6", "t3", "t0"]
    assert await ids(tied, by_activity(Cursor(9999, "t4"), descending=False)) == []


async def test_a_cursor_without_an_id_stands_before_every_row_of_its_value(tied: Store) -> None:
    assert await ids(tied, by_activity(Cursor(1001, ""), descending=False)) == ["t1", "t4", "t7", "t2", "t5", "t8"]
    assert await ids(tied, by_activity(Cursor(1001, ""), descending=True)) == ["t7", "t4", "t1", "t6", "t3", "t0"]
    assert await ids(tied, by_activity(Cursor(1003, ""), descending=True, limit=2)) == ["t8", "t5"]


async def test_a_row_moves_with_its_values(tied: Store) -> None:
    await tied.commit([put(thread("t0", at=2000), 1)])
    assert (await ids(tied, by_activity()))[0] == "t0"
    await tied.commit([put(thread("t0", at=2000, archived=True), 2)])
    assert "t0" not in await ids(tied, by_activity())
    assert await tied.count(by_activity()) == 8


async def test_text_is_ordered_by_code_point(store: Store) -> None:
    titles = [
        "",
        "A",
        "Z",
        "a",
        "aa",
        "ab",
        "a\x00",
        "Ä",
        "é",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "😀",
        "\U0010ffff",
        "10",
        "9",
    ]
    await store.commit([put(thread(f"t{number}", title=title), 0) for number, title in enumerate(titles)])
    found = await store.query(Query.where(THREADS, order="title"))
    assert [stored.message.title for stored in found] == sorted(titles)
    found = await store.query(Query.where(THREADS, order="title", after=Cursor("a", "~"), descending=True))
    assert [stored.message.title for stored in found] == sorted((t for t in titles if t <= "a"), reverse=True)


async def test_numbers_are_ordered_by_size(store: Store) -> None:
    numbers = [0, -1, 5, 10, 9, 2**53 + 1, 2**53, 2**63 - 1, -(2**63)]
    await store.commit([put(thread(f"t{place}", total=number), 0) for place, number in enumerate(numbers)])
    found = await store.query(Query.where(THREADS, order="total_messages", user_id="user_1"))
    assert [stored.message.total_messages for stored in found] == sorted(numbers)


async def test_what_is_not_set_counts_as_zero(store: Store) -> None:
    await store.commit([Put("leases", "unset", Lease(), 0)])
    await store.commit([Put("leases", "set", Lease(expires_at=timestamp(-1)), 0)])
    found = await store.query(Query.where(LEASES, order="expires_at", holder=""))
    assert [stored.id for stored in found] == ["set", "unset"]


async def test_a_field_may_share_a_name_with_what_the_store_keeps(store: Store) -> None:
    await store.commit([Put("notes", f"n{number}", JournalEntry(id="x", revision=-number), 0) for number in range(3)])
    found = await store.query(Query.where(NOTES, order="revision", collection=""))
    assert [(stored.id, stored.revision) for stored in found] == [("n2", 1), ("n1", 1), ("n0", 1)]


async def test_counts_leave_cursor_and_limit_out(tied: Store) -> None:
    assert await tied.count(by_activity(Cursor(1001, "t4"), limit=1)) == 9
    assert await tied.count(Query.where(THREADS, order="title")) == 11
    assert await tied.count(Query.by_id(THREADS, "t", after="t4", limit=1)) == 9
    assert await tied.count(Query.where(THREADS, order="total_messages", user_id="nobody")) == 0


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("prefix", ["", "a", "a.", "a.b", "\U0010ffff", "\ud7ff", "%", "_", "zz"], ids=ascii)
async def test_a_prefix_keeps_the_ids_that_begin_with_it(store: Store, prefix: str, descending: bool) -> None:
    stored = ["a", "a.", "a.1", "a.2", "a/", "ab", "a\U0010ffff", "b", "A", "%x", "_x", *HOSTILE_IDS[14:]]
    stored += ["\U0010ffff\U0010ffff", "\ud7ffx"]
    await store.commit([put(thread(id), 0) for id in dict.fromkeys(stored)])
    expected = sorted({id for id in stored if id.startswith(prefix)}, reverse=descending)
    assert await ids(store, Query.by_id(THREADS, prefix, descending=descending)) == expected
    assert await store.count(Query.by_id(THREADS, prefix)) == len(expected)
    for last, following in pairwise(expected):
        page = await ids(store, Query.by_id(THREADS, prefix, descending=descending, after=last, limit=1))
        assert page == [following]


async def test_an_id_cursor_outside_the_prefix_changes_nothing_or_everything(store: Store) -> None:
    await store.commit([put(thread(id), 0) for id in ("a1", "b1", "b2", "c1")])
    assert await ids(store, Query.by_id(THREADS, "b", after="a9")) == ["b1", "b2"]
    assert await ids(store, Query.by_id(THREADS, "b", after="c")) == []
    assert await ids(store, Query.by_id(THREADS, "b", after="")) == ["b1", "b2"]
    assert await ids(store, Query.by_id(THREADS, "b", after="c9", descending=True)) == ["b2", "b1"]
    assert await ids(store, Query.by_id(THREADS, "b", after="a", descending=True)) == []


async def test_many_at_once_come_in_the_order_asked_for(store: Store) -> None:
    await store.commit([put(thread(f"t{number:04}", total=number), 0) for number in range(700)])
    wanted = [f"t{number:04}" for number in range(699, -1, -1)]
    found = await store.get_many(THREADS, [*wanted[:5], "absent", *wanted, "t0001"])
    assert [stored.id for stored in found] == wanted
    assert await store.get_many(THREADS, []) == []


async def test_rows_that_stand_still_are_paged_exactly_once(store: Store) -> None:
    """While others are created, moved and deleted around them."""
    still = [thread(f"still_{number:02}", at=1000 + number // 4) for number in range(40)]
    await store.commit([put(message, 0) for message in still])
    walked = asyncio.Event()

    async def stir() -> None:
        turn = 0
        while not walked.is_set():
            at = 1000 + turn * 7 % 10
            await store.commit([put(thread(f"moving_{turn % 5}", at=at)), put(thread(f"new_{turn:04}", at=at))])
            turn += 1

    stirring = asyncio.create_task(stir())
    for descending in (False, True):
        seen: list[str] = []
        after = None
        while page := await store.query(by_activity(after, descending=descending, limit=3)):
            seen += [stored.id for stored in page if stored.id.startswith("still_")]
            after = place_of(page[-1].message)
            if page[-1].message.updated_at.ToMilliseconds() > 1009:
                break
            await store.commit([put(thread("tick", user="user_2"))])
        order = [message.id for message in still]
        assert seen == (order[::-1] if descending else order)
    walked.set()
    await stirring


async def test_a_query_that_no_index_answers_is_refused(store: Store) -> None:
    with pytest.raises(UnindexedQuery):
        Query.where(THREADS, order="updated_at", user_id="user_1")
    with pytest.raises(UnindexedQuery):
        Query.by_id(THREADS, limit=1001)
