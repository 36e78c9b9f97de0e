"""The outbox: events stored with the change they tell of, delivered until every consumer has acknowledged."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from llmchat.store.v1.outbox_pb2 import Acknowledgement, OutboxEvent, PublishedEvent

from libs.common.clock import milliseconds, timestamp
from libs.common.context import current_call
from libs.common.documents.documents import Documents
from libs.common.documents.places import place_of
from libs.common.documents.system import OUTBOX
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound, Unavailable
from libs.common.events.acknowledging import Acknowledgements, Completion, pause
from libs.common.events.bus import Bus, Delivery
from libs.common.events.subscription import subscribed
from libs.common.events.table import EVENTS
from libs.common.failpoints import Failpoints
from libs.common.store.hlc import HybridClock
from libs.common.store.port import Cursor, Query

_log = logging.getLogger(__name__)
_PAGE = 100
# Of a clock's reading in an event's id.
_DIGITS = 16


def event_channel(type: str) -> str:
    """Where events of a type are published."""
    return f"events.{type}"


def owner_of(event_id: str) -> str:
    """The service that emitted the event."""
    return event_id.rpartition(".")[2]


def _reading(event_id: str) -> int:
    return int(event_id.removeprefix(f"{OUTBOX.id_prefix}_")[:_DIGITS], 16)


def _may_be_tried(event: OutboxEvent, now: int) -> bool:
    """Whether the pause after a failure is over. Who delivers it again puts off its next delivery, not this."""
    return not event.attempts or event.redeliveries > 0 or milliseconds(event.next_attempt_at) <= now


class Outbox:
    """One service's outgoing events. `run` redelivers what is unsettled and takes the acknowledgements in.

    Each replica of the service runs one over the same documents: whoever comes first does what is due.
    """

    def __init__(
        self,
        service: str,
        documents: Documents,
        bus: Bus,
        *,
        replica: str,
        interval: float = 2.0,
        completions: Mapping[str, Completion] | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        """Args:
        service: whose events they are.
        documents: where they are stored.
        bus: by which they travel fast.
        replica: names this process: it is acknowledged to on a channel of its own.
        interval: seconds between looks for what must be delivered again.
        completions: by event type, what follows an acknowledgement.
        failpoints: where this process dies in tests.
        """
        self.service = service
        self._documents = documents
        self._bus = bus
        self._channel = f"acks.{service}.{replica}"
        self._interval = interval
        self._acknowledgements = Acknowledgements(documents, interval, completions or {}, self._settled)
        self._failpoints = failpoints or Failpoints()
        self._clock = HybridClock(documents.clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def emit(self, unit: Unit, type: str, aggregate_id: str, payload: Message) -> None:
        """Stages an event of the table of events in `unit` and publishes it once that is committed.

        Without an `aggregate_id` it waits for no other event and no other one waits for it, which costs less.
        """
        packed = AnyMessage()
        packed.Pack(payload)
        event = OutboxEvent(
            type=type,
            aggregate_id=aggregate_id,
            payload=packed,
            waiting_for=EVENTS[type].consumers,
            next_attempt_at=timestamp(unit.now + int(self._interval * 1000)),
            created_at=timestamp(unit.now),
            request_id=current_call().request_id,
            traceparent=current_call().traceparent,
        )
        if aggregate_id:
            unit.first(partial(self._stage, unit, event))
            unit.then(partial(self._publish_next, aggregate_id, "after_commit_before_publish"))
        else:
            event.id = event.aggregate_id = self._new_id()
            unit.create(OUTBOX, event)
            unit.hint(partial(self._publish_new, event))

    async def run(self) -> None:
        """Redelivers until cancelled; what an earlier process left unsettled goes out at once."""
        async with subscribed(self._bus, self._channel) as acknowledgements, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._redeliver_forever())
            tasks.create_task(self._acknowledgements.run())
            async for item in acknowledgements:
                # What a gap may have swallowed comes with the consumers' next pull.
                if isinstance(item, Delivery):
                    self._acknowledgements.put(Acknowledgement.FromString(item.payload))

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """See `Acknowledgements.store`."""
        await self._acknowledgements.store(acknowledgements)

    async def pending(self, consumer: str, after_id: str) -> tuple[Sequence[OutboxEvent], str]:
        """Events that wait for `consumer` and may be handled now, oldest first; and where to go on, empty at the end.

        Left out is what is parked, what waits for a later attempt, and what has an event of its aggregate before it
        that `consumer` has yet to handle.
        """
        after = Cursor(None, after_id) if after_id else None
        events = await self._documents.query(Query(OUTBOX, None, after=after, limit=_PAGE))
        now = self._documents.clock()
        # By aggregate.
        first: dict[str, str] = {}
        due = []
        for event in events:
            if consumer not in event.waiting_for or event.is_parked or not _may_be_tried(event, now):
                continue
            if event.aggregate_id == event.id:
                first[event.id] = event.id
            elif event.aggregate_id not in first:
                first[event.aggregate_id] = await self._first_for(consumer, event.aggregate_id)
            if first[event.aggregate_id] == event.id:
                due.append(event)
        return due, events[-1].id if len(events) == _PAGE else ""

    async def replay(self, unit: Unit, event_id: str) -> OutboxEvent:
        """Stages that an event is delivered again, with all of its attempts before it.

        Raises:
            NotFound: there is no such event; it may be settled.
        """
        event = await unit.find(OUTBOX, event_id)
        if event is None:
            raise NotFound("event", event_id)
        event.is_parked = False
        event.ClearField("parked_at")
        event.attempts = 0
        event.next_attempt_at.CopyFrom(timestamp(unit.now + int(self._interval * 1000)))
        unit.put(OUTBOX, event)
        unit.then(partial(self._publish_next, event.aggregate_id))
        return event

    async def _stage(self, unit: Unit, event: OutboxEvent) -> None:
        """Stages `event` with an id after those of its aggregate, whatever the clocks of other replicas said."""
        last = Query.where(OUTBOX, order="id", aggregate_id=event.aggregate_id, descending=True, limit=1)
        for earlier in await self._documents.query(last):
            self._clock.observe(_reading(earlier.id))
        event.id = self._new_id()
        unit.create(OUTBOX, event)

    def _new_id(self) -> str:
        unique = random.randrange(2**32)  # noqa: S311 # apart from other replicas' events, not secret
        return f"{OUTBOX.id_prefix}_{self._clock.tick():0{_DIGITS}x}{unique:08x}.{self.service}"

    def _publish_next(self, aggregate_id: str, failpoint: str = "", consumer: str = "") -> None:
        """Publishes what each consumer, or that one, may handle next of the aggregate, in a task of its own."""
        task = asyncio.create_task(self._publish_first(aggregate_id, failpoint, consumer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish_first(self, aggregate_id: str, failpoint: str = "", consumer: str = "") -> None:
        try:
            if failpoint:
                self._failpoints.reach(failpoint)
            now = self._documents.clock()
            async for event, next_for in self._in_turn(aggregate_id):
                to = [one for one in next_for if consumer in ("", one)]
                if to and not event.is_parked and _may_be_tried(event, now):
                    event.waiting_for[:] = to
                    self._publish(event)
        except Unavailable as error:
            _log.warning("an event of %s is not published until it is redelivered: %s", aggregate_id, error.text)

    def _publish_new(self, event: OutboxEvent) -> None:
        self._failpoints.reach("after_commit_before_publish")
        self._publish(event)

    def _publish(self, event: OutboxEvent) -> None:
        published = PublishedEvent(event=event, acknowledge_to=self._channel)
        self._bus.publish(event_channel(event.type), published.SerializeToString())

    async def _in_turn(self, aggregate_id: str) -> AsyncIterator[tuple[OutboxEvent, list[str]]]:
        """The aggregate's unsettled events, oldest first, each with the consumers who have handled all before it."""
        preceded: set[str] = set()
        query = Query.where(OUTBOX, order="id", aggregate_id=aggregate_id, limit=_PAGE)
        while True:
            stored = await self._documents.store.query(query)
            for event in (one.message for one in stored):
                next_for = [consumer for consumer in event.waiting_for if consumer not in preceded]
                preceded.update(next_for)
                yield event, next_for
            if len(stored) < _PAGE:
                return
            query = replace(query, after=place_of(query, stored[-1]))

    async def _first_for(self, consumer: str, aggregate_id: str) -> str:
        """The id of the aggregate's first event that waits for `consumer`; empty where none does any more."""
        async for event, next_for in self._in_turn(aggregate_id):
            if consumer in next_for:
                return event.id
        return ""

    def _settled(self, unit: Unit, event: OutboxEvent, consumer: str) -> None:
        if event.aggregate_id == event.id:
            return
        if event.waiting_for:
            unit.hint(partial(self._publish_next, event.aggregate_id, consumer=consumer))
        else:
            unit.then(partial(self._publish_next, event.aggregate_id, "after_settle_before_next"))

    async def _redeliver_forever(self) -> None:
        await self._resume()
        while True:
            await asyncio.sleep(self._interval)
            await self._redeliver()

    async def _resume(self) -> None:
        """Publishes what an earlier process left; what it was about to deliver again keeps its time."""
        events = await self._documents.query(Query.where(OUTBOX, order="next_attempt_at", is_parked=False))
        for aggregate_id in dict.fromkeys(event.aggregate_id for event in events if not event.attempts):
            await self._publish_first(aggregate_id)

    async def _redeliver(self) -> None:
        now = self._documents.clock()
        query = Query.where(OUTBOX, order="next_attempt_at", is_parked=False, limit=_PAGE)
        for event in await self._documents.query(query):
            if milliseconds(event.next_attempt_at) > now:
                return
            await self._documents.unit(partial(self._redeliver_one, event.id))

    async def _redeliver_one(self, event_id: str, unit: Unit) -> None:
        event = await unit.find(OUTBOX, event_id)
        if event is None or event.is_parked or milliseconds(event.next_attempt_at) > unit.now:
            return
        event.redeliveries += 1
        event.next_attempt_at.CopyFrom(timestamp(unit.now + pause(self._interval, event.redeliveries)))
        unit.put(OUTBOX, event)
        unit.then(partial(self._publish_next, event.aggregate_id))
