"""Outbox and inbox over the in-process bus: every event handled once by every consumer, whatever is lost between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import wall_clock
from libs.common.crypto.digest import Digest
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import INBOX, OUTBOX, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from libs.common.events.bus import Bus
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.inbox import Handler, Inbox
from libs.common.events.outbox import Outbox
from libs.common.events.table import EVENTS
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query

TOUCHED = CollectionSpec("touched", Thread)
CONSUMERS = EVENTS["thread.deleted"].consumers


def open_documents() -> Documents:
    store = MemoryStore([TOUCHED, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens(b"p" * 32), Digest(b"d" * 32))


async def count_effect(unit: Unit, payload: Message, progress: str) -> None:
    """The effect that every test looks at: how often a thread's deletion was handled."""
    assert isinstance(payload, ThreadDeleted)
    touched = await unit.find(TOUCHED, payload.thread_id) or Thread(id=payload.thread_id)
    touched.total_messages += 1
    unit.put(TOUCHED, touched)


@asynccontextmanager
async def running(*work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one()) for one in work]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def settled(documents: Documents) -> None:
    async with asyncio.timeout(5):
        while await documents.store.count(Query.by_id(OUTBOX)):
            await asyncio.sleep(0.005)


async def handled(documents: Documents) -> int:
    return sum(one.total_messages for one in await documents.query(Query.by_id(TOUCHED)))


def deletion(outbox: Outbox, thread_id: str) -> Callable[[Unit], Awaitable[None]]:
    async def work(unit: Unit) -> None:
        outbox.emit(unit, "thread.deleted", thread_id, ThreadDeleted(thread_id=thread_id))

    return work


def inboxes(bus: Bus, handler: Handler) -> dict[str, tuple[Documents, Inbox]]:
    """An inbox with a store of its own for every declared consumer."""
    stores = {consumer: open_documents() for consumer in CONSUMERS}
    return {
        consumer: (documents, Inbox(consumer, documents, bus, {"thread.deleted": handler}))
        for consumer, documents in stores.items()
    }


async def test_an_event_reaches_every_consumer_and_is_settled() -> None:
    bus, owner = InProcessBus(), open_documents()
    outbox = Outbox("threads", owner, bus, interval=0.05)
    consumers = inboxes(bus, count_effect)
    async with running(outbox.run, *(inbox.run for _, inbox in consumers.values())):
        await owner.unit(deletion(outbox, "thread_1"))
        await settled(owner)
    assert [await handled(documents) for documents, _ in consumers.values()] == [1] * len(CONSUMERS)


async def test_what_was_emitted_before_a_crash_is_delivered_after_it() -> None:
    owner = open_documents()
    await owner.unit(deletion(Outbox("threads", owner, InProcessBus()), "thread_1"))
    assert await owner.store.count(Query.by_id(OUTBOX)) == 1

    bus = InProcessBus()
    consumers = inboxes(bus, count_effect)
    async with running(*(inbox.run for _, inbox in consumers.values()), Outbox("threads", owner, bus).run):
        await settled(owner)
    assert [await handled(documents) for documents, _ in consumers.values()] == [1] * len(CONSUMERS)


async def test_a_redelivered_event_has_no_second_effect() -> None:
    """A bus that doubles everything, a stand-in for redelivery."""

    class DoublingBus(InProcessBus):
        async def publish(self, channel: str, payload: bytes) -> None:
            await super().publish(channel, payload)
            await asyncio.sleep(0.01)
            await super().publish(channel, payload)

    bus, owner = DoublingBus(), open_documents()
    outbox = Outbox("threads", owner, bus, interval=0.05)
    consumers = inboxes(bus, count_effect)
    async with running(outbox.run, *(inbox.run for _, inbox in consumers.values())):
        for number in range(20):
            await owner.unit(deletion(outbox, f"thread_{number}"))
        await settled(owner)
    assert [await handled(documents) for documents, _ in consumers.values()] == [20] * len(CONSUMERS)


async def test_a_bus_that_loses_only_delays() -> None:
    """A bus that drops a third of all messages, a stand-in for a Redis that comes and goes."""

    class LossyBus(InProcessBus):
        chance = random.Random(7)  # noqa: S311 # the same losses in every run

        async def publish(self, channel: str, payload: bytes) -> None:
            if self.chance.random() > 1 / 3:
                await super().publish(channel, payload)

    bus, owner = LossyBus(), open_documents()
    outbox = Outbox("threads", owner, bus, interval=0.01)
    consumers = inboxes(bus, count_effect)
    async with running(outbox.run, *(inbox.run for _, inbox in consumers.values())):
        for number in range(5):
            await owner.unit(deletion(outbox, f"thread_{number}"))
        await settled(owner)
    assert [await handled(documents) for documents, _ in consumers.values()] == [5] * len(CONSUMERS)


async def test_a_handler_that_fails_is_asked_again_and_holds_nobody_up() -> None:
    attempts: list[str] = []

    async def refuses_once(unit: Unit, payload: Message, progress: str) -> None:
        assert isinstance(payload, ThreadDeleted)
        attempts.append(payload.thread_id)
        if attempts.count(payload.thread_id) == 1 and payload.thread_id == "thread_bad":
            raise Precondition("not yet")
        await count_effect(unit, payload, progress)

    bus, owner = InProcessBus(), open_documents()
    outbox = Outbox("threads", owner, bus, interval=0.01)
    consumers = inboxes(bus, refuses_once)
    async with running(outbox.run, *(inbox.run for _, inbox in consumers.values())):
        await owner.unit(deletion(outbox, "thread_bad"))
        await owner.unit(deletion(outbox, "thread_good"))
        await settled(owner)
    assert [await handled(documents) for documents, _ in consumers.values()] == [2] * len(CONSUMERS)


async def test_a_large_effect_goes_on_where_it_was_interrupted() -> None:
    steps: list[str] = []

    async def three_steps(unit: Unit, payload: Message, progress: str) -> str | None:
        steps.append(progress)
        return {"": "one", "one": "two", "two": None}[progress]

    consumer = CONSUMERS[0]
    bus, owner, documents = InProcessBus(), open_documents(), open_documents()
    outbox = Outbox("threads", owner, bus, interval=0.01)

    async def interrupted(unit: Unit, payload: Message, progress: str) -> str | None:
        if progress == "one":
            raise Precondition("the process dies here")
        return await three_steps(unit, payload, progress)

    async with running(outbox.run, Inbox(consumer, documents, bus, {"thread.deleted": interrupted}).run):
        await owner.unit(deletion(outbox, "thread_1"))
        async with asyncio.timeout(5):
            while not await documents.store.count(Query.by_id(INBOX)):
                await asyncio.sleep(0.005)
    async with running(outbox.run, Inbox(consumer, documents, bus, {"thread.deleted": three_steps}).run):
        async with asyncio.timeout(5):
            while not (await documents.query(Query.by_id(INBOX)))[0].done:
                await asyncio.sleep(0.005)
    assert steps == ["", "one", "two"]
