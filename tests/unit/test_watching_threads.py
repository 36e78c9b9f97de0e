"""Watching threads on two replicas: every thread told once at each revision, in order, and in the end as it is."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import GenerationFinished, UserDeleted
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    SetGeneratedTitleRequest,
    ThreadChange,
    UpdateThreadRequest,
)

from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Unavailable
from libs.common.events.changes import Changes
from libs.common.events.inbox import Handler
from libs.common.events.outbox import Outbox
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query, Stored, Write
from services.threads.collections import COLLECTIONS, THREADS
from services.threads.subscribers import subscriptions
from services.threads.thread import create_thread, delete_thread, set_generated_title, update_thread
from services.threads.watching import watch_threads
from tests.standins.lossy_bus import LossyBus

M = TypeVar("M", bound=Message)
T = TypeVar("T")
ANNA = Caller(user_id="anna")
BOB = Caller(user_id="bob")
NEVER = 3600.0


class TickingClock:
    """Time that passes by a millisecond each time that it is asked for, so that no two writes are of the same."""

    def __init__(self) -> None:
        self.now = 2_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


class RemoteStore(MemoryStore):
    """As a store at the other end of a network: requests and answers take their time, and overtake each other."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self._dice = dice

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        return await self._travel(partial(super().get, spec, id))

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        return await self._travel(partial(super().get_many, spec, ids))

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        return await self._travel(partial(super().query, query))

    async def commit(self, writes: Sequence[Write]) -> None:
        await self._travel(partial(super().commit, writes))

    async def _travel(self, call: Callable[[], Awaitable[T]]) -> T:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)
        answer = await call()
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)
        return answer


class CountingStore(MemoryStore):
    """Keeps which documents were read by their ids."""

    def __init__(self) -> None:
        super().__init__([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self.read: Counter[str] = Counter()

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        self.read.update(ids)
        return await super().get_many(spec, ids)


class Replica:
    """One process's part of the threads service, over the store and the bus that it shares with others."""

    def __init__(self, store: MemoryStore, bus: LossyBus, clock: TickingClock, watchdog: float) -> None:
        self.documents = Documents(store, clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
        self.changes = Changes(bus, "threads", watchdog)
        self.outbox = Outbox("threads", self.documents, bus, replica="me")

    async def create(self, title: str = "t", caller: Caller = ANNA) -> Thread:
        request = CreateThreadRequest(title=title)
        return await self.documents.unit(lambda unit: create_thread(unit, self.changes, self.outbox, caller, request))

    async def rename(self, id: str, title: str) -> Thread:
        request = UpdateThreadRequest(thread=Thread(id=id, title=title), update_mask=FieldMask(paths=["title"]))
        return await self.documents.unit(lambda unit: update_thread(unit, self.changes, ANNA, request))

    async def delete(self, id: str) -> None:
        request = DeleteThreadRequest(id=id)
        await self.documents.unit(lambda unit: delete_thread(unit, self.changes, self.outbox, ANNA, request))

    async def generate_title(self, id: str, title: str) -> Thread:
        request = SetGeneratedTitleRequest(id=id, title=title)
        return await self.documents.unit(lambda unit: set_generated_title(unit, self.changes, ANNA, request))

    async def handle(self, type: str, event: Message) -> None:
        """An event of another service, to its end."""
        handler = subscriptions(self.changes, self.outbox)[type]
        progress: str | None = ""
        while progress is not None:
            done = progress
            progress = await self.documents.unit(partial(_step, handler, event, done))

    def watch(self, caller: Caller = ANNA, limit: int = 0) -> AsyncGenerator[ThreadChange, None]:
        return watch_threads(self.documents, self.changes, caller, limit)


async def _step(handler: Handler, event: Message, progress: str, unit: Unit) -> str | None:
    return await handler(unit, event, progress)


class View:
    """What a watcher shows: checks every change and keeps the threads as they were told last."""

    def __init__(self) -> None:
        self.threads: dict[str, Thread] = {}
        self.gone: set[str] = set()
        self.is_synced = False

    def take(self, change: ThreadChange) -> None:
        match change.WhichOneof("change"):
            case "thread":
                thread = change.thread
                assert thread.id not in self.gone, "what is gone does not come back"
                before = self.threads.get(thread.id, Thread(etag="0"))
                assert int(thread.etag) > int(before.etag), "the same again, or older after newer"
                self.threads[thread.id] = thread
            case "deleted_id":
                assert change.deleted_id not in self.gone, "told twice"
                self.gone.add(change.deleted_id)
                self.threads.pop(change.deleted_id, None)
            case "synced":
                assert not self.is_synced, "told twice"
                self.is_synced = True

    def shows(self, threads: dict[str, Thread]) -> bool:
        return self.threads == threads

    async def watch(self, changes: AsyncIterator[ThreadChange]) -> None:
        async for change in changes:
            self.take(change)


@asynccontextmanager
async def viewing(*watches: AsyncGenerator[ThreadChange, None]) -> AsyncIterator[list[View]]:
    """A view of each watch, up to date with its beginning."""
    views = [View() for _ in watches]
    tasks = [asyncio.create_task(view.watch(watch)) for view, watch in zip(views, watches, strict=True)]
    try:
        await eventually(lambda: all(view.is_synced for view in views))
        yield views
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.002)


async def take(watch: AsyncIterator[ThreadChange], count: int) -> list[ThreadChange]:
    async with asyncio.timeout(5):
        return [await anext(watch) for _ in range(count)]


def kinds(changes: Sequence[ThreadChange]) -> list[str]:
    return [change.WhichOneof("change") or "" for change in changes]


@pytest.fixture
def bus() -> LossyBus:
    return LossyBus()


@pytest.fixture
def replicas(bus: LossyBus) -> tuple[Replica, Replica]:
    """Two that would wait for ever before they look of themselves."""
    store, clock = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS]), TickingClock()
    return Replica(store, bus, clock, NEVER), Replica(store, bus, clock, NEVER)


@pytest.fixture
def patient(bus: LossyBus) -> tuple[Replica, Replica]:
    """Two that look soon."""
    store, clock = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS]), TickingClock()
    return Replica(store, bus, clock, 0.02), Replica(store, bus, clock, 0.02)


class TestHints:
    async def test_first_the_newest_threads_then_synced_then_what_happens_on_any_replica(
        self, replicas: tuple[Replica, Replica]
    ) -> None:
        here, there = replicas
        old, middle, new = [await here.create(title) for title in ("old", "middle", "new")]
        watch = here.watch(limit=2)
        begin = await take(watch, 3)
        assert kinds(begin) == ["thread", "thread", "synced"]
        assert [change.thread for change in begin[:2]] == [new, middle]

        created = await there.create("newest")
        assert await take(watch, 1) == [ThreadChange(thread=created)]
        renamed = await there.rename(old.id, "renamed")
        assert await take(watch, 1) == [ThreadChange(thread=renamed)], "also what it did not begin with"
        await there.delete(middle.id)
        assert await take(watch, 1) == [ThreadChange(deleted_id=middle.id)]
        await watch.aclose()

    async def test_a_generated_title_and_moved_totals_are_told(self, replicas: tuple[Replica, Replica]) -> None:
        here, there = replicas
        thread = await here.create("")
        watch = here.watch()
        await take(watch, 2)
        titled = await there.generate_title(thread.id, "Lisbon by tram")
        assert await take(watch, 1) == [ThreadChange(thread=titled)]
        finished = GenerationFinished(
            thread_id=thread.id, user_id="anna", model_id="echo", messages=2, finished_at=timestamp(1)
        )
        await there.handle("generation.finished", finished)
        (moved,) = await take(watch, 1)
        assert (moved.thread.total_messages, moved.thread.title) == (2, "Lisbon by tram")
        await watch.aclose()

    async def test_others_threads_are_not_told(self, bus: LossyBus, replicas: tuple[Replica, Replica]) -> None:
        here, there = replicas
        await here.create("bob's", BOB)
        watch = here.watch()
        assert kinds(await take(watch, 1)) == ["synced"]
        other = await there.create("bob's too", BOB)
        bus.publish("changes.threads.anna", other.id.encode())
        mine = await there.create("mine")
        assert await take(watch, 1) == [ThreadChange(thread=mine)]
        await watch.aclose()

    async def test_a_hint_that_comes_twice_tells_nothing_new(
        self, bus: LossyBus, replicas: tuple[Replica, Replica]
    ) -> None:
        here, there = replicas
        watch = here.watch()
        await take(watch, 1)
        first = await there.create("first")
        assert await take(watch, 1) == [ThreadChange(thread=first)]
        bus.publish("changes.threads.anna", first.id.encode())
        second = await there.create("second")
        assert await take(watch, 1) == [ThreadChange(thread=second)]
        await there.delete(first.id)
        assert await take(watch, 1) == [ThreadChange(deleted_id=first.id)]
        bus.publish("changes.threads.anna", first.id.encode())
        third = await there.create("third")
        assert await take(watch, 1) == [ThreadChange(thread=third)]
        await watch.aclose()

    async def test_quick_changes_of_a_thread_may_be_told_as_the_last(self, replicas: tuple[Replica, Replica]) -> None:
        here, there = replicas
        thread = await here.create()
        watch = here.watch()
        await take(watch, 2)
        for number in range(50):
            await there.rename(thread.id, f"title {number}")
        last = await there.rename(thread.id, "the last")
        assert await take(watch, 1) == [ThreadChange(thread=last)]
        await watch.aclose()

    async def test_a_reader_who_falls_behind_catches_up(self, replicas: tuple[Replica, Replica]) -> None:
        """More has changed than is kept for it."""
        here, there = replicas
        threads = [await here.create() for _ in range(400)]
        watch = here.watch(limit=10)
        view = View()
        for change in await take(watch, 11):
            view.take(change)
        for thread in threads:
            await there.rename(thread.id, "renamed")
        await there.delete(threads[0].id)
        for change in await take(watch, 400):
            view.take(change)
        assert len(view.threads) == 399
        assert {thread.title for thread in view.threads.values()} == {"renamed"}
        await watch.aclose()

    async def test_when_a_person_is_deleted_each_of_their_threads_is_told_as_gone(
        self, replicas: tuple[Replica, Replica]
    ) -> None:
        here, there = replicas
        threads = [await here.create() for _ in range(250)]
        async with viewing(here.watch(limit=1000)) as (view,):
            await there.handle("user.deleted", UserDeleted(user_id="anna", operation_id="op_1"))
            await eventually(lambda: view.gone == {thread.id for thread in threads})
            assert not view.threads


class TestWithoutHints:
    @pytest.fixture
    def bus(self) -> LossyBus:
        return LossyBus(losing=1.0)

    async def test_everything_is_told_later(self, patient: tuple[Replica, Replica]) -> None:
        here, there = patient
        old, middle, new = [await here.create(title) for title in ("old", "middle", "new")]
        watch = here.watch(limit=2)
        await take(watch, 3)
        created = await there.create("newest")
        assert await take(watch, 1) == [ThreadChange(thread=created)]
        renamed = await there.rename(old.id, "renamed")
        assert await take(watch, 1) == [ThreadChange(thread=renamed)], "also what it did not begin with"
        await there.delete(new.id)
        assert await take(watch, 1) == [ThreadChange(deleted_id=new.id)]
        renamed = await there.rename(middle.id, "renamed")
        assert await take(watch, 1) == [ThreadChange(thread=renamed)]
        await watch.aclose()

    async def test_what_happened_before_is_not_told_as_if_it_had_happened_now(
        self, patient: tuple[Replica, Replica]
    ) -> None:
        here, _ = patient
        for _ in range(5):
            await here.create()
        async with viewing(here.watch(limit=2)) as (view,):
            created = await here.create("new")
            await eventually(lambda: created.id in view.threads)
            assert len(view.threads) == 3


async def test_of_many_threads_a_watcher_remembers_two_thousand() -> None:
    store, clock = CountingStore(), TickingClock()
    replica = Replica(store, LossyBus(), clock, watchdog=0.05)
    async with viewing(replica.watch()) as (view,):
        for _ in range(2100):
            await replica.create()
        await eventually(lambda: len(view.threads) == 2100)
        clock.now += 120_000
        store.read.clear()
        await eventually(lambda: max(store.read.values(), default=0) >= 6)
        assert sum(looks >= 6 for looks in store.read.values()) <= 2000, "it has looked at the others only before"


class TestEnd:
    async def test_who_leaves_leaves_no_subscription(self, bus: LossyBus, replicas: tuple[Replica, Replica]) -> None:
        here, _ = replicas
        waits, leaves = here.watch(), here.watch()
        await take(leaves, 1)
        waiting = asyncio.create_task(take(waits, 2))
        await eventually(lambda: bus.subscriptions.total() == 2)
        await leaves.aclose()
        assert bus.subscriptions.total() == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        assert bus.subscriptions.total() == 0

    async def test_a_replica_that_stops_sends_its_watchers_elsewhere(self, replicas: tuple[Replica, Replica]) -> None:
        here, there = replicas
        watch = here.watch()
        await take(watch, 1)
        await here.changes.close()
        for stopped in (watch, here.watch()):
            with pytest.raises(Unavailable) as refused:
                await take(stopped, 1)
            assert refused.value.reason == "STOPPING"
        elsewhere = there.watch()
        await take(elsewhere, 1)
        created = await here.create()
        assert await take(elsewhere, 1) == [ThreadChange(thread=created)]
        await elsewhere.aclose()


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_the_bus_loses_and_doubles_all_is_told_in_order_and_once(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 # the same in every run
    bus = LossyBus(losing=0.3, doubling=0.3, seed=seed)
    store, clock = RemoteStore(dice), TickingClock()
    replicas = [Replica(store, bus, clock, watchdog=0.05) for _ in range(2)]
    ids = [(await dice.choice(replicas).create()).id for _ in range(20)]
    watches = [replica.watch(limit=limit) for replica in replicas for limit in (3, 1000)]
    async with viewing(*watches) as views:
        begun = [set(view.threads) for view in views]

        async def change(writer: int) -> None:
            mine = ids[writer::4]
            for number in range(40):
                replica = dice.choice(replicas)
                match dice.randrange(4):
                    case 0:
                        mine.append((await replica.create()).id)
                    case 1 if mine:
                        await replica.delete(mine.pop(dice.randrange(len(mine))))
                    case _ if mine:
                        await replica.rename(dice.choice(mine), f"title {number}")

        touched = clock.now
        await asyncio.gather(*(change(writer) for writer in range(4)))
        stored = {thread.id: thread for thread in await replicas[0].documents.query(Query.by_id(THREADS))}
        # A watcher owes what it began with and what has changed since; of the others it knows nothing.
        changed = {id for id, thread in stored.items() if thread.changed_at.ToMilliseconds() > touched}
        for view, known in zip(views, begun, strict=True):
            owed = {id: stored[id] for id in (known | changed) & stored.keys()}
            await eventually(partial(view.shows, owed))
    assert bus.subscriptions.total() == 0
