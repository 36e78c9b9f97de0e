"""Outbox and inbox: every event handled once by every consumer, whatever is lost between and whoever dies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.events.v1.events_service_pb2 import PullEventsRequest, PullEventsResponse
from llmchat.store.v1.outbox_pb2 import Acknowledgement, OutboxEvent
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import OUTBOX, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition, Unavailable
from libs.common.events.bus import Bus
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.inbox import Handler, Inbox
from libs.common.events.outbox import Outbox
from libs.common.events.table import EVENTS
from libs.common.failpoints import Failpoints
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query
from tests.integration.calling import eventually

TOUCHED = CollectionSpec("touched", Thread)
CONSUMERS = EVENTS["thread.deleted"].consumers


class LosingBus(InProcessBus):
    """A stand-in for a Redis that is down for good."""

    def publish(self, channel: str, payload: bytes) -> None:
        """Loses it."""


class FlakyBus(InProcessBus):
    """A stand-in for a Redis that comes and goes: it drops a third of everything and doubles another third."""

    def __init__(self) -> None:
        super().__init__()
        self._chance = random.Random(7)  # noqa: S311 # the same losses in every run

    def publish(self, channel: str, payload: bytes) -> None:
        for _ in range(self._chance.randrange(3)):
            super().publish(channel, payload)


class Owner:
    """The threads service's side: documents with an outbox."""

    def __init__(self, bus: Bus, documents: Documents | None = None, **options: object) -> None:
        self.documents = documents or open_documents()
        self.outbox = Outbox("threads", self.documents, bus, **{"replica": "o1", "interval": 0.02, **options})  # type: ignore[arg-type]

    async def delete(self, thread_id: str, aggregate_id: str = "") -> None:
        """Emits one event."""

        async def work(unit: Unit) -> None:
            self.outbox.emit(unit, "thread.deleted", aggregate_id or thread_id, ThreadDeleted(thread_id=thread_id))

        await self.documents.unit(work)

    async def pull(self, request: PullEventsRequest) -> PullEventsResponse:
        """Answers as the service would."""
        await self.outbox.acknowledge(request.acknowledgements)
        events, next_after_id = await self.outbox.pending(request.consumer, request.after_id)
        return PullEventsResponse(events=events, next_after_id=next_after_id)

    async def unsettled(self) -> list[OutboxEvent]:
        return await self.documents.query(Query.by_id(OUTBOX))

    async def settled(self) -> None:
        """Returns once every event is settled."""
        await eventually(self.unsettled, lambda events: not events)


async def away(request: PullEventsRequest) -> PullEventsResponse:
    """An owner that cannot be asked: only the bus connects the two."""
    raise Unavailable("nobody serves there")


def open_documents() -> Documents:
    store = MemoryStore([TOUCHED, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


def consumer(bus: Bus, owner: Owner, handler: Handler, **options: object) -> tuple[Documents, Inbox]:
    """The messages service's side: documents with an inbox."""
    documents = options.pop("documents", None) or open_documents()
    assert isinstance(documents, Documents)
    name = options.pop("name", CONSUMERS[0])
    settings = {"replica": "c1", "interval": 0.02, **options}
    pull = settings.pop("pull", owner.pull)
    return documents, Inbox(name, documents, bus, {"thread.deleted": handler}, pull, **settings)  # type: ignore[arg-type]


def all_consumers(bus: Bus, owner: Owner, handler: Handler, **options: object) -> dict[str, tuple[Documents, Inbox]]:
    return {name: consumer(bus, owner, handler, name=name, **options) for name in CONSUMERS}


async def count_effect(unit: Unit, payload: Message, progress: str) -> None:
    """The effect that most tests look at: how often a thread's deletion was handled."""
    assert isinstance(payload, ThreadDeleted)
    touched = await unit.find(TOUCHED, payload.thread_id) or Thread(id=payload.thread_id)
    touched.total_messages += 1
    unit.put(TOUCHED, touched)


async def effects(documents: Documents) -> dict[str, int]:
    return {one.id: one.total_messages for one in await documents.query(Query.by_id(TOUCHED))}


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


class TestDelivery:
    async def test_an_event_reaches_every_consumer_and_is_settled(self) -> None:
        bus = InProcessBus()
        owner = Owner(bus)
        consumers = all_consumers(bus, owner, count_effect, pull=away)
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            await owner.delete("thread_1")
            await owner.settled()
        assert [await effects(documents) for documents, _ in consumers.values()] == [{"thread_1": 1}] * len(CONSUMERS)

    async def test_what_was_emitted_before_a_crash_is_delivered_after_it(self) -> None:
        dead = Owner(LosingBus())
        await dead.delete("thread_1")
        assert len(await dead.unsettled()) == 1

        bus = InProcessBus()
        owner = Owner(bus, dead.documents, replica="o2")
        consumers = all_consumers(bus, owner, count_effect, pull=away)
        async with running(*(inbox.run for _, inbox in consumers.values()), owner.outbox.run):
            await owner.settled()
        assert [await effects(documents) for documents, _ in consumers.values()] == [{"thread_1": 1}] * len(CONSUMERS)

    async def test_without_a_bus_consumers_pull(self) -> None:
        bus = LosingBus()
        owner = Owner(bus)
        consumers = all_consumers(bus, owner, count_effect)
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            for number in range(250):
                await owner.delete(f"thread_{number}")
            await owner.settled()
        for documents, _ in consumers.values():
            assert await effects(documents) == {f"thread_{number}": 1 for number in range(250)}

    async def test_a_bus_that_loses_and_doubles_changes_nothing(self) -> None:
        bus = FlakyBus()
        owner = Owner(bus)
        consumers = all_consumers(bus, owner, count_effect)
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            for number in range(50):
                await owner.delete(f"thread_{number}")
            await owner.settled()
        for documents, _ in consumers.values():
            assert await effects(documents) == {f"thread_{number}": 1 for number in range(50)}

    async def test_a_lost_acknowledgement_is_said_again_and_has_no_second_effect(self) -> None:
        class Mute(InProcessBus):
            """A stand-in for a Redis that loses what consumers say."""

            def publish(self, channel: str, payload: bytes) -> None:
                if not channel.startswith("acks."):
                    super().publish(channel, payload)

        bus = Mute()
        owner = Owner(bus)
        documents, inbox = consumer(bus, owner, count_effect)
        async with running(owner.outbox.run, inbox.run):
            await owner.delete("thread_1")
            await eventually(owner.unsettled, lambda events: list(events[0].waiting_for) == [CONSUMERS[1]])
        assert await effects(documents) == {"thread_1": 1}

    async def test_what_the_owner_does_at_an_acknowledgement_is_part_of_its_commit(self) -> None:
        told: list[list[str]] = []

        async def note(unit: Unit, event: OutboxEvent, payload: Message) -> None:
            assert isinstance(payload, ThreadDeleted)
            unit.create(TOUCHED, Thread(id=f"{payload.thread_id} left by {len(event.waiting_for)}"))
            told.append(list(event.waiting_for))

        bus = InProcessBus()
        owner = Owner(bus, completions={"thread.deleted": note})
        consumers = all_consumers(bus, owner, count_effect)
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            await owner.delete("thread_1")
            await owner.settled()
        assert set(await effects(owner.documents)) == {"thread_1 left by 0", "thread_1 left by 1"}
        assert told[-1] == []


class TestOrder:
    async def test_events_of_one_aggregate_are_handled_in_order(self) -> None:
        bus = FlakyBus()
        owner = Owner(bus)
        handled: list[str] = []

        async def note(unit: Unit, payload: Message, progress: str) -> None:
            assert isinstance(payload, ThreadDeleted)
            unit.then(lambda: handled.append(payload.thread_id))
            await count_effect(unit, payload, progress)

        consumers = [consumer(bus, owner, note), consumer(bus, owner, count_effect, name=CONSUMERS[1])]
        names = [f"{number:02}" for number in range(20)]
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers)):
            for name in names:
                await owner.delete(name, aggregate_id="the same")
            await owner.settled()
        assert handled == names

    async def test_a_consumer_that_is_away_holds_up_nobody_else(self) -> None:
        bus = InProcessBus()
        owner = Owner(bus)
        there, inbox = consumer(bus, owner, count_effect)
        back, late_inbox = consumer(bus, owner, count_effect, name=CONSUMERS[1])
        # More than are looked at at once.
        names = [f"{number:03}" for number in range(120)]
        async with running(owner.outbox.run, inbox.run):
            for name in names:
                await owner.delete(name, aggregate_id="the same")
            await eventually(partial(effects, there), lambda effects: effects == dict.fromkeys(names, 1))
            assert len(await owner.unsettled()) == len(names)
            async with running(late_inbox.run):
                await owner.settled()
        assert await effects(back) == dict.fromkeys(names, 1)

    async def test_replicas_whose_clocks_differ_keep_the_order_of_an_aggregate(self) -> None:
        store = MemoryStore([TOUCHED, *SYSTEM_COLLECTIONS])
        ahead, behind = (
            Owner(LosingBus(), Documents(store, clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32])))
            for clock in (lambda: wall_clock() + 60_000, wall_clock)
        )
        names = ["first", "second", "third"]
        for owner, name in zip((ahead, behind, ahead), names, strict=True):
            await owner.delete(name, aggregate_id="the same")
        emitted = [ThreadDeleted() for _ in names]
        for event, payload in zip(await behind.unsettled(), emitted, strict=True):
            event.payload.Unpack(payload)
        assert [payload.thread_id for payload in emitted] == names

    async def test_an_event_that_is_never_handled_is_parked_and_holds_up_its_own_aggregate_alone(self) -> None:
        repaired = False

        async def fails_for_bad(unit: Unit, payload: Message, progress: str) -> None:
            assert isinstance(payload, ThreadDeleted)
            if payload.thread_id == "bad" and not repaired:
                raise Precondition("it can never succeed")
            await count_effect(unit, payload, progress)

        bus = InProcessBus()
        owner = Owner(bus, interval=0.0005)
        consumers = all_consumers(bus, owner, fails_for_bad, interval=0.005)
        async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            await owner.delete("bad", aggregate_id="a")
            await owner.delete("after bad", aggregate_id="a")
            await owner.delete("good", aggregate_id="b")
            events = await eventually(owner.unsettled, lambda events: len(events) == 2 and events[0].is_parked)
            assert [event.aggregate_id for event in events] == ["a", "a"]
            assert not events[1].is_parked
            documents = consumers[CONSUMERS[0]][0]
            assert await effects(documents) == {"good": 1}

            repaired = True
            await owner.documents.unit(lambda unit: owner.outbox.replay(unit, events[0].id))
            await owner.settled()
            assert await effects(documents) == {"good": 1, "bad": 1, "after bad": 1}

    async def test_what_failed_once_can_be_pulled_however_often_it_is_published_in_vain(self) -> None:
        owner = Owner(LosingBus())
        await owner.delete("thread_1")
        event_id = (await owner.unsettled())[0].id
        await owner.outbox.acknowledge([Acknowledgement(consumer=CONSUMERS[0], event_id=event_id, failed=True)])
        request = PullEventsRequest(owner="threads", consumer=CONSUMERS[0])
        assert not (await owner.pull(request)).events
        async with running(owner.outbox.run):
            await eventually(owner.unsettled, lambda events: events[0].redeliveries >= 3)
            assert [event.id for event in (await owner.pull(request)).events] == [event_id]

    async def test_the_twentieth_failure_parks_an_event_and_later_ones_count_no_more(self) -> None:
        owner = Owner(LosingBus())
        await owner.delete("thread_1")
        (event,) = await owner.unsettled()
        failure = Acknowledgement(consumer=CONSUMERS[0], event_id=event.id, failed=True)
        for _ in range(19):
            await owner.outbox.acknowledge([failure])
        assert not (await owner.unsettled())[0].is_parked

        await owner.outbox.acknowledge([failure])
        (parked,) = await owner.unsettled()
        assert (parked.is_parked, parked.attempts) == (True, 20)

        await owner.outbox.acknowledge([failure])
        assert await owner.unsettled() == [parked]

    async def test_a_consumer_that_is_away_parks_nothing(self) -> None:
        bus = InProcessBus()
        owner = Owner(bus, interval=0.0005)
        async with running(owner.outbox.run):
            await owner.delete("thread_1")
            await eventually(owner.unsettled, lambda events: events[0].redeliveries > 5)
            assert not (await owner.unsettled())[0].is_parked
            consumers = all_consumers(bus, owner, count_effect)
            async with running(*(inbox.run for _, inbox in consumers.values())):
                await owner.settled()


class TestReplicas:
    async def test_of_three_replicas_one_has_the_effect(self) -> None:
        bus = InProcessBus()
        owner = Owner(bus)
        shared = open_documents()
        replicas = [consumer(bus, owner, count_effect, documents=shared, replica=f"c{n}")[1] for n in range(3)]
        other = consumer(bus, owner, count_effect, name=CONSUMERS[1])[1]
        async with running(owner.outbox.run, other.run, *(inbox.run for inbox in replicas)):
            for number in range(30):
                await owner.delete(f"thread_{number}")
            await owner.settled()
        assert await effects(shared) == {f"thread_{number}": 1 for number in range(30)}

    async def test_two_replicas_of_the_owner_settle_an_event_once(self) -> None:
        bus = FlakyBus()
        owner = Owner(bus)
        second = Owner(bus, owner.documents, replica="o2")
        consumers = all_consumers(bus, second, count_effect)
        async with running(owner.outbox.run, second.outbox.run, *(inbox.run for _, inbox in consumers.values())):
            for number in range(30):
                await (owner, second)[number % 2].delete(f"thread_{number}")
            await owner.settled()
        for documents, _ in consumers.values():
            assert await effects(documents) == {f"thread_{number}": 1 for number in range(30)}

    async def test_a_large_effect_is_one_replicas_while_its_lease_runs(self) -> None:
        bus, shared, steps = InProcessBus(), open_documents(), Steps()
        owner = Owner(bus)
        _, first = consumer(bus, owner, steps.by("first"), documents=shared, replica="c1")
        _, second = consumer(bus, owner, steps.by("second"), documents=shared, replica="c2")
        async with running(owner.outbox.run):
            await owner.delete("thread_1")
            async with running(first.run):
                await eventually(steps.taken, lambda taken: len(taken) == 2)
                async with running(second.run):
                    await eventually(second_has_looked(owner), lambda looks: looks > 3)
                    steps.may_go_on.set()
                    await eventually(steps.taken, lambda taken: len(taken) == 3)
        assert await steps.taken() == [("first", ""), ("first", "one"), ("first", "two")]

    async def test_another_replica_goes_on_where_a_dead_one_was(self) -> None:
        bus, shared, steps = InProcessBus(), open_documents(), Steps()
        owner = Owner(bus)
        lease = {"lease_seconds": 0.2}
        _, first = consumer(bus, owner, steps.by("first"), documents=shared, replica="c1", **lease)
        _, second = consumer(bus, owner, steps.by("second"), documents=shared, replica="c2", **lease)
        async with running(owner.outbox.run):
            await owner.delete("thread_1")
            async with running(first.run):
                await eventually(steps.taken, lambda taken: len(taken) == 2)
            steps.may_go_on.set()
            async with running(second.run):
                await eventually(owner.unsettled, lambda events: list(events[0].waiting_for) == [CONSUMERS[1]])
        assert [by for by, _ in await steps.taken()][-1] == "second"
        assert [progress for _, progress in await steps.stored()] == ["", "one", "two"]

    async def test_a_process_that_is_alone_does_not_wait_for_the_lease_of_a_dead_one(self) -> None:
        bus, shared, steps = InProcessBus(), open_documents(), Steps()
        owner = Owner(bus)
        _, first = consumer(bus, owner, steps.by("first"), documents=shared, replica="c1", lease_seconds=3600)
        async with running(owner.outbox.run):
            await owner.delete("thread_1")
            async with running(first.run):
                await eventually(steps.taken, lambda taken: len(taken) == 2)
            steps.may_go_on.set()
            again = consumer(bus, owner, steps.by("again"), documents=shared, replica="c2", exclusive=True)[1]
            async with running(again.run):
                await eventually(owner.unsettled, lambda events: list(events[0].waiting_for) == [CONSUMERS[1]])


class TestFailpoints:
    async def test_whatever_fails_between_two_commits_the_effect_is_had_once(self) -> None:
        for name in ("after_commit_before_publish", "after_effect_before_ack", "after_settle_before_next"):
            bus = InProcessBus()
            owner = Owner(bus, failpoints=Failpoints.parse(f"{name}=error"))
            consumers = all_consumers(bus, owner, count_effect, failpoints=Failpoints.parse(f"{name}=error@2"))
            async with running(owner.outbox.run, *(inbox.run for _, inbox in consumers.values())):
                for number in range(5):
                    await owner.delete(f"thread_{number}", aggregate_id=f"{number % 2}")
                await owner.settled()
            for documents, _ in consumers.values():
                assert await effects(documents) == {f"thread_{number}": 1 for number in range(5)}


class Steps:
    """A large effect: three steps, and a stop in the second one until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self._taken: list[tuple[str, str]] = []
        self._stored: list[tuple[str, str]] = []

    def by(self, replica: str) -> Handler:
        async def step(unit: Unit, payload: Message, progress: str) -> str | None:
            self._taken.append((replica, progress))
            if progress == "one":
                await self.may_go_on.wait()
            unit.then(lambda: self._stored.append((replica, progress)))
            return {"": "one", "one": "two", "two": None}[progress]

        return step

    async def taken(self) -> list[tuple[str, str]]:
        return self._taken

    async def stored(self) -> list[tuple[str, str]]:
        return self._stored


def second_has_looked(owner: Owner) -> Callable[[], Awaitable[int]]:
    """How often the event was offered again."""

    async def redeliveries() -> int:
        return (await owner.unsettled())[0].redeliveries

    return redeliveries
