"""The Realtime Database loses answers and requests, is slow, or away: nothing is doubled, and nothing lost.

Each write of a script meets each fault. The SDK sends an update again whose answer it missed, once; so one lost answer
meets the repeat, two meet the store's own look, and three that look's first attempt.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest

from libs.common.clock import wall_clock
from libs.common.errors import Conflict, Unavailable
from libs.common.store.decorators.journaled import JOURNAL, Journaled
from libs.common.store.port import Delete, Put, Query, Search, Write
from libs.common.store.rtdb.deploying import deploy_rules
from libs.common.store.rtdb.store import RtdbStore
from tests.conformance.specimens import SPECS, THREADS, put, thread
from tests.standins.rtdb_server import RtdbServer, missing, rtdb_serving

Fails = Callable[..., None]

# What is written, and the revisions after it, by id.
SCRIPT: list[tuple[list[Write], dict[str, int]]] = [
    ([put(thread("a", title="Lisbon", total=1), 0), put(thread("b"), 0)], {"a": 1, "b": 1}),
    ([put(thread("a", title="Lisbon", total=2), 1)], {"a": 2, "b": 1}),
    ([put(thread("a", title="Lisbon Porto", total=3)), put(thread("b", total=1), 1)], {"a": 3, "b": 2}),
    ([Delete("threads", "nobody", 0), put(thread("c"), 0)], {"a": 3, "b": 2, "c": 1}),
    ([Delete("threads", "b", 2)], {"a": 3, "c": 1}),
    ([Delete("threads", "b", 0), Delete("threads", "nobody")], {"a": 3, "c": 1}),
    ([put(thread("b", total=7), 0), Delete("threads", "c")], {"a": 3, "b": 1}),
    ([Put("threads", "d", thread("d", total=1), 0, revision=5)], {"a": 3, "b": 1, "d": 5}),
]


@pytest.fixture(scope="module", params=["rtdb stand-in"])
def server() -> Iterator[RtdbServer]:
    """A stand-in of the module's own: the real one fails when it likes."""
    if reason := missing():
        pytest.skip(f"rtdb stand-in: {reason}")
    with rtdb_serving() as serving:
        yield serving


@pytest.fixture
def namespace() -> str:
    """A database of the test's own."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
async def url(server: RtdbServer, namespace: str) -> str:
    """The database, with its rules."""
    url = f"rtdb://{server.host}?ns={namespace}&timeout=1"
    await deploy_rules(url, {"threads": SPECS})
    return url


@pytest.fixture
async def store(url: str) -> AsyncIterator[RtdbStore]:
    """An empty store."""
    opened = await RtdbStore.open(url, "threads", SPECS)
    yield opened
    await opened.close()


@pytest.fixture
def fails(server: RtdbServer, namespace: str) -> Fails:
    """Has the database fail on purpose."""
    return lambda **faults: server.break_down(namespace, **faults)


@pytest.mark.parametrize("at", range(len(SCRIPT)))
@pytest.mark.parametrize("lost", [1, 2, 3, 5])
async def test_a_write_whose_answers_are_lost_is_stored_once(
    lost: int, at: int, store: RtdbStore, fails: Fails
) -> None:
    journaled = Journaled(store, SPECS, wall_clock)
    for number, (writes, expected) in enumerate(SCRIPT):
        if number == at:
            fails(lose_answers=lost)
        await journaled.commit(writes)
        found = await store.query(Query.by_id(THREADS))
        assert {stored.id: stored.revision for stored in found} == expected
        assert await store.count(Query.by_id(THREADS)) == len(expected)
    assert await store.count(Query.where(THREADS, order="total_messages", user_id="user_1")) == len(expected)
    assert [stored.id for stored in await store.search(Search.of(THREADS, "user_1", ["lisbon"], limit=9))] == ["a"]
    assert [stored.id for stored in await store.search(Search.of(THREADS, "user_1", ["porto"], limit=9))] == ["a"]
    entries = [(entry.message.document_id, entry.message.revision) for entry in await store.query(Query.by_id(JOURNAL))]
    assert entries == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
        ("c", 1),
        ("b", 2),
        ("b", 1),
        ("c", 1),
        ("d", 1),
    ]


@pytest.mark.parametrize("at", range(len(SCRIPT)))
async def test_a_write_that_is_lost_on_its_way_is_told_and_may_be_repeated(
    at: int, store: RtdbStore, fails: Fails
) -> None:
    before: dict[str, int] = {}
    for number, (writes, expected) in enumerate(SCRIPT):
        if number == at:
            fails(lose_requests=2)
            with pytest.raises(Unavailable, match="nothing was stored"):
                await store.commit(writes)
            found = await store.query(Query.by_id(THREADS))
            assert {stored.id: stored.revision for stored in found} == before
        await store.commit(writes)
        found = await store.query(Query.by_id(THREADS))
        assert {stored.id: stored.revision for stored in found} == expected
        before = expected


@pytest.mark.parametrize("every", [2, 3, 5])
async def test_increments_whose_answers_are_lost_all_the_time_sum_up(
    every: int, url: str, store: RtdbStore, fails: Fails
) -> None:
    """Others move the document before one can look whether one's own increment is in it."""
    await store.commit([put(thread("t"), 0)])
    others = [await RtdbStore.open(url, "threads", SPECS) for _ in range(2)]
    fails(lose_every=every)

    async def add(one: RtdbStore, times: int) -> None:
        while times:
            stored = await one.get(THREADS, "t")
            assert stored is not None
            stored.message.total_messages += 1
            try:
                await one.commit([put(stored.message, stored.revision)])
                times -= 1
            except Conflict:
                continue
            except Unavailable as error:
                assert "nothing was stored" in error.text  # noqa: PT017 # and it was not, or the sum is wrong

    await asyncio.gather(*(add(one, 12) for one in (store, *others)))
    fails()
    stored = await store.get(THREADS, "t")
    assert stored is not None
    assert (stored.message.total_messages, stored.revision) == (36, 37)
    for other in others:
        await other.close()


async def test_a_write_that_comes_late_comes_as_it_was_told_or_never(store: RtdbStore, fails: Fails) -> None:
    """It arrives when the store has given up waiting, more than once."""
    fails(delay_ms=1500)
    commit = asyncio.create_task(store.commit([put(thread("late"), 0)]))
    await asyncio.sleep(2.5)
    fails()
    (told,) = await asyncio.gather(commit, return_exceptions=True)
    assert told is None or "nothing was stored" in str(told)
    await asyncio.sleep(2)  # what is under way arrives
    expected = 0 if told else 1
    assert await store.count(Query.by_id(THREADS)) == expected
    assert len(await store.query(Query.by_id(THREADS))) == expected


async def test_a_refusal_is_sent_once(store: RtdbStore, url: str, server: RtdbServer, namespace: str) -> None:
    other = await RtdbStore.open(url, "threads", SPECS)
    await store.commit([put(thread("t"), 0)])
    before = len(server.writes(namespace))
    with pytest.raises(Conflict):
        await other.commit([put(thread("t"), 0)])
    assert len(server.writes(namespace)) == before + 1
    await other.close()


async def test_a_database_that_is_overloaded_is_asked_again(store: RtdbStore, fails: Fails) -> None:
    fails(unavailable=2)
    await store.commit([put(thread("t"), 0)])
    fails(unavailable=2)
    assert await store.get(THREADS, "t") is not None


async def test_where_nobody_answers_it_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}/threads: unavailable"):
        await RtdbStore.open(f"rtdb://127.0.0.1:{port}?ns=x&timeout=1", "threads", SPECS)


async def test_a_database_that_goes_away_is_unavailable_and_the_store_goes_on_when_it_is_back(
    store: RtdbStore, fails: Fails
) -> None:
    await store.commit([put(thread("t"), 0)])
    fails(delay_ms=60_000)
    with pytest.raises(Unavailable):
        await store.get(THREADS, "t")
    with pytest.raises(Unavailable, match="not known"):
        await store.commit([put(thread("u"), 0)])
    fails()
    await store.ping()
    await store.commit([put(thread("v"), 0)])
