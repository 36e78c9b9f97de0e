"""Answers that are remembered: whose they are, when they are not, how much room they take, and how they are counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import ListThreadsRequest, ListThreadsResponse

from libs.common.caching.answers import Answers
from libs.common.caching.in_process_cache import InProcessCache
from libs.common.caching.port import NOT_NOW, Cache, Look
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.events.changes import Changes, change_channel
from libs.common.events.in_process_bus import InProcessBus
from libs.common.store.memory import MemoryStore
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metrics import Metrics


@dataclass
class Lists:
    """Stands in for a service that lists threads: titles by person, and how often the store was read."""

    cache: Cache | None = field(default_factory=InProcessCache)
    titles: dict[str, list[str]] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    reads: int = 0

    def __post_init__(self) -> None:
        self.answers = Answers(self.cache, "lists", 60, Lookups(self.metrics, "lists"))
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def list(self, person: str, page_size: int = 0, **options: Any) -> list[str]:
        async def read() -> ListThreadsResponse:
            self.reads += 1
            titles = self.titles.get(person, [])[: page_size or None]
            await self.goes_on.wait()
            return ListThreadsResponse(threads=[Thread(title=title) for title in titles])

        answer = await self.answers.answer(person, ListThreadsRequest(page_size=page_size), read, **options)
        return [thread.title for thread in ListThreadsResponse.FromString(answer.SerializeToString()).threads]

    def write(self, person: str, *titles: str) -> None:
        self.titles[person] = list(titles)
        if self.cache is not None:
            self.cache.forget(person)

    def counted(self, found: str) -> float | None:
        labels = {"cache": "lists", "found": found}
        return self.metrics.registry.get_sample_value("llmchat_cache_lookups_total", labels)


@pytest.fixture
def lists() -> Lists:
    return Lists(titles={"anna": ["Lisbon"], "bob": ["Oslo"]})


# Answers


async def test_an_answer_is_read_once_and_again_after_a_write(lists: Lists) -> None:
    assert [await lists.list("anna") for _ in range(3)] == [["Lisbon"]] * 3
    assert lists.reads == 1

    lists.write("anna", "Lisbon", "Porto")
    assert [await lists.list("anna") for _ in range(3)] == [["Lisbon", "Porto"]] * 3
    assert lists.reads == 2


async def test_each_request_has_its_own_answer(lists: Lists) -> None:
    lists.write("anna", "Lisbon", "Porto")
    assert [await lists.list("anna", size) for size in (1, 2, 1)] == [["Lisbon"], ["Lisbon", "Porto"], ["Lisbon"]]
    assert lists.reads == 2


STEPS = st.tuples(
    st.sampled_from(["list", "write", "forget"]), st.sampled_from(["anna", "bob", "bo", ""]), st.integers(0, 3)
)


@given(st.lists(STEPS, max_size=60), st.sampled_from([0, 2_000, 64 * 2**20]))
def test_nobody_is_ever_shown_what_is_anothers_or_out_of_date(steps: list[tuple[str, str, int]], room: int) -> None:
    """Whatever is read and written in whatever order, however little room there is."""

    async def play() -> None:
        lists = Lists(InProcessCache(most_bytes=room))
        for number, (step, person, size) in enumerate(steps):
            if step == "write":
                lists.write(person, *(f"{person}'s {number}.{place}" for place in range(size)))
            elif step == "forget" and lists.cache is not None:
                lists.cache.forget(person)
            else:
                assert await lists.list(person, size) == lists.titles.get(person, [])[: size or None]

    asyncio.run(play())


async def test_an_answer_that_a_write_overtakes_is_given_and_not_remembered(lists: Lists) -> None:
    lists.goes_on.clear()
    reading = asyncio.create_task(lists.list("anna"))
    await asyncio.sleep(0)
    lists.write("anna", "Porto")
    lists.goes_on.set()

    assert await reading == ["Lisbon"]
    assert await lists.list("anna") == ["Porto"]


async def test_kinds_of_answers_are_kept_apart(lists: Lists) -> None:
    """Requests of different messages may have the same bytes."""
    others = Lists(lists.cache, titles={"anna": ["another kind"]})
    others.answers = Answers(lists.cache, "others", 60, Lookups(others.metrics, "others"))

    assert await lists.list("anna") == ["Lisbon"]
    assert await others.list("anna") == ["another kind"]


async def test_what_is_not_to_be_kept_or_is_large_is_not_remembered(lists: Lists) -> None:
    for _ in range(2):
        assert await lists.list("anna", keep=lambda _: False) == ["Lisbon"]
    assert lists.reads == 2

    lists.write("bob", "x" * 300_000)
    for _ in range(2):
        assert len((await lists.list("bob"))[0]) == 300_000
    assert lists.reads == 4


async def test_a_refusal_is_not_remembered(lists: Lists) -> None:
    async def refuse() -> ListThreadsResponse:
        raise NotFound("user", "anna")

    with pytest.raises(NotFound):
        await lists.answers.answer("anna", ListThreadsRequest(), refuse)
    assert await lists.list("anna") == ["Lisbon"]


async def test_looks_are_counted_by_what_they_found(lists: Lists) -> None:
    for person in ("anna", "anna", "bob", "anna"):
        await lists.list(person)
    assert (lists.counted("process"), lists.counted("nowhere"), lists.counted("shared")) == (2, 2, 0)


async def test_without_a_cache_every_answer_is_read() -> None:
    lists = Lists(None, titles={"anna": ["Lisbon"]})
    assert [await lists.list("anna") for _ in range(2)] == [["Lisbon"]] * 2
    assert (lists.reads, lists.counted("nowhere")) == (2, 0)


class Away:
    """Stands in for a cache that is not there now."""

    found = "shared"

    async def look(self, scope: str, key: bytes) -> Look:
        return NOT_NOW

    def put(self, scope: str, key: bytes, version: int, value: bytes, seconds: int) -> None:
        raise AssertionError("nothing is put into what is not there")

    def forget(self, scope: str) -> None:
        """Nothing is there."""


async def test_while_a_cache_is_away_the_store_is_read() -> None:
    lists = Lists(Away(), titles={"anna": ["Lisbon"]})
    assert [await lists.list("anna") for _ in range(2)] == [["Lisbon"]] * 2
    assert (lists.reads, lists.counted("nowhere")) == (2, 2)


# What is forgotten with a change


async def test_a_change_is_forgotten_once_it_is_committed_and_before_anyone_is_told() -> None:
    cache, bus = InProcessCache(), InProcessBus()
    changes = Changes(bus, "threads", 5, cache)
    scope = change_channel("threads", "anna")
    unit = Unit(MemoryStore([]), 0)

    changes.tell(unit, "anna", "thread_1")

    version, _ = await cache.look(scope, b"")
    assert version is not None
    cache.put(scope, b"", version, b"as it was", 60)
    assert (await cache.look(scope, b"")).value == b"as it was", "it is not committed yet"
    # What a caller who is cancelled takes along are the hints alone.
    for action in unit.after_commit:
        action()
    assert (await cache.look(scope, b"")).value is None


# Room


async def remember(cache: InProcessCache, scope: str, key: bytes = b"", size: int = 1000) -> None:
    version, _ = await cache.look(scope, key)
    if version is not None:
        cache.put(scope, key, version, b"x" * size, 60)


async def knows(cache: InProcessCache, scope: str, key: bytes = b"") -> bool:
    return (await cache.look(scope, key)).value is not None


async def test_who_was_not_there_for_longest_makes_room() -> None:
    cache = InProcessCache(most_bytes=10_000)
    for person in ("anna", "bob", "carla", "dora"):
        await remember(cache, person)
    assert await knows(cache, "anna")

    for person in ("emil", "fritz"):
        await remember(cache, person)

    assert await knows(cache, "anna")
    assert not await knows(cache, "bob")


async def test_one_who_asks_for_much_drives_out_nobody() -> None:
    cache = InProcessCache(most_bytes=100_000)
    await remember(cache, "bob")
    for number in range(1000):
        await remember(cache, "anna", str(number).encode())

    assert await knows(cache, "bob")
    assert await knows(cache, "anna", b"999")
    assert not await knows(cache, "anna", b"0")


async def test_what_is_forgotten_or_over_takes_no_room() -> None:
    now = 0.0
    cache = InProcessCache(most_bytes=5_000, now=lambda: now)
    for number in range(100):
        await remember(cache, "anna", str(number).encode(), 2000)
        cache.forget("anna")
    await remember(cache, "bob")
    await remember(cache, "anna")
    assert await knows(cache, "anna")
    assert await knows(cache, "bob")

    now = 60.0
    assert not await knows(cache, "anna")
    for _ in range(10):
        now += 60
        await remember(cache, "anna")
    assert await knows(cache, "anna")


async def test_more_than_there_is_room_for_is_not_kept() -> None:
    cache = InProcessCache(most_bytes=5_000)
    await remember(cache, "anna", size=10_000)
    assert not await knows(cache, "anna")
    await remember(cache, "bob")
    assert await knows(cache, "bob")
