"""Events that are handled many at once: each counts once, and one that fails holds up none of the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from google.protobuf.any_pb2 import Any as AnyMessage
from llmchat.events.v1.events_pb2 import ThreadCreated
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition, Unavailable
from libs.common.events.gathering import Gathering
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Write

COUNTS = CollectionSpec("counts", Thread)


class CommittingStore(MemoryStore):
    """Keeps how many documents each commit had."""

    def __init__(self) -> None:
        super().__init__([COUNTS, *SYSTEM_COLLECTIONS])
        self.commits: list[int] = []

    async def commit(self, writes: Sequence[Write]) -> None:
        self.commits.append(len(writes))
        await super().commit(writes)


class Consumer:
    """A service that counts the threads of each person."""

    def __init__(self) -> None:
        self.store = CommittingStore()
        self.documents = Documents(self.store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
        self.handled: Counter[tuple[str, bool | None]] = Counter()
        self.error: Exception | None = None
        self.gathering = Gathering("users", self.documents, {"thread.created": self._count}, self._note)
        self._noted = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.gathering.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def put(self, *ids: str, user_id: str = "ada") -> None:
        for id in ids:
            packed = AnyMessage()
            packed.Pack(ThreadCreated(thread_id=id, user_id=user_id))
            self.gathering.put(OutboxEvent(id=id, type="thread.created", payload=packed), "here")

    async def has_noted(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.handled.total() < count:
                self._noted.clear()
                await self._noted.wait()

    async def counted(self, user_id: str = "ada") -> int:
        found = await self.documents.find(COUNTS, user_id)
        return found.total_messages if found else 0

    async def _count(self, unit: Unit, event: ThreadCreated) -> None:
        if self.error is not None and event.user_id == "bad":
            raise self.error
        found = await unit.find(COUNTS, event.user_id) or Thread(id=event.user_id)
        found.total_messages += 1
        unit.put(COUNTS, found)

    def _note(self, event: OutboxEvent, acknowledge_to: str, success: bool | None) -> None:
        assert acknowledge_to == "here"
        self.handled[event.id, success] += 1
        self._noted.set()


async def test_many_are_one_commit() -> None:
    consumer = Consumer()
    ids = [f"event_{number}" for number in range(50)]
    async with consumer.running():
        consumer.put(*ids)
        await consumer.has_noted(50)

    assert await consumer.counted() == 50
    # Their marks, and the one document that they count in.
    assert consumer.store.commits == [51]
    assert consumer.handled == {(id, True): 1 for id in ids}


async def test_more_than_go_into_one_commit_go_into_several() -> None:
    consumer = Consumer()
    async with consumer.running():
        consumer.put(*(f"event_{number}" for number in range(250)))
        await consumer.has_noted(250)

    assert await consumer.counted() == 250
    assert consumer.store.commits == [101, 101, 51]


async def test_what_comes_again_is_answered_again_and_counts_once() -> None:
    consumer = Consumer()
    async with consumer.running():
        consumer.put("event_1")
        await consumer.has_noted(1)
        consumer.put("event_1", "event_2", "event_2")
        await consumer.has_noted(4)

    assert await consumer.counted() == 2
    assert consumer.handled == {("event_1", True): 2, ("event_2", True): 2}


async def test_one_that_fails_holds_up_none_of_the_others() -> None:
    consumer = Consumer()
    consumer.error = Precondition("it can never succeed")
    async with consumer.running():
        consumer.put("event_1")
        consumer.put("event_2", user_id="bad")
        consumer.put("event_3")
        await consumer.has_noted(3)

    assert await consumer.counted() == 2
    assert await consumer.counted("bad") == 0
    assert consumer.handled == {("event_1", True): 1, ("event_2", False): 1, ("event_3", True): 1}


async def test_while_the_store_is_away_nothing_is_said_and_it_succeeds_later() -> None:
    consumer = Consumer()
    consumer.error = Unavailable("the store is away")
    async with consumer.running():
        consumer.put("event_1", user_id="bad")
        await consumer.has_noted(1)
        consumer.error = None
        consumer.put("event_1", user_id="bad")
        await consumer.has_noted(2)

    assert await consumer.counted("bad") == 1
    assert consumer.handled == {("event_1", None): 1, ("event_1", True): 1}
