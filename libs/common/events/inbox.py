"""The inbox: each event handled once by each consumer, its effect and the mark of it in one commit."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto

from google.protobuf.message import Message
from llmchat.events.v1.events_service_pb2 import PullEventsRequest, PullEventsResponse
from llmchat.store.v1.outbox_pb2 import Acknowledgement, InboxMark, OutboxEvent, PublishedEvent
from opentelemetry.trace import SpanKind

from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call, Caller, current_call, enter_call
from libs.common.documents.documents import Documents
from libs.common.documents.system import INBOX
from libs.common.documents.unit import Unit
from libs.common.errors import DomainError
from libs.common.events.bus import Bus, Gap
from libs.common.events.gathering import PASSING, Gathered, Gathering
from libs.common.events.outbox import event_channel, owner_of
from libs.common.events.subscription import subscribed
from libs.common.events.table import EVENTS
from libs.common.failpoints import Failpoints
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.tracing import Tracing

_log = logging.getLogger(__name__)

# Stages one step of the effect in the unit. Gets the progress that the step before returned (empty at first) and
# returns where to go on, or None once the effect is whole: so a large effect goes in pages and a crash resumes.
Handler = Callable[[Unit, Message, str], Awaitable[str | None]]

# Asks an owner for its events, as `EventsService.PullEvents`.
Pull = Callable[[PullEventsRequest], Awaitable[PullEventsResponse]]

_MOST_IN_FLIGHT = 500
_SAID_AT_ONCE = 500


class _Step(Enum):
    MORE = auto()
    DONE = auto()
    # Another replica is at it.
    ELSEWHERE = auto()


class Inbox:
    """One service's incoming events. `run` handles what the bus brings and what the owners say it missed.

    Each replica of the service runs one over the same documents. An effect of one commit is had by the replica that
    commits first; a larger one by the replica that stored its first step, while that one's lease runs.
    """

    def __init__(
        self,
        consumer: str,
        documents: Documents,
        bus: Bus,
        handlers: Mapping[str, Handler],
        pull: Pull,
        *,
        replica: str,
        gathered: Mapping[str, Gathered] | None = None,
        interval: float = 3.0,
        lease_seconds: float = 15.0,
        exclusive: bool = False,
        failpoints: Failpoints | None = None,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Args:
        consumer: the service that consumes.
        documents: its documents, which the effects are on.
        bus: what brings events fast.
        handlers: by event type, what it does.
        pull: asks an owner for what the bus did not bring.
        replica: names this process in leases.
        gathered: by event type, what it does with many at once.
        interval: seconds between pulls.
        lease_seconds: after which a silent replica's large effect is another's to go on with.
        exclusive: no other process handles these documents' events: whatever lease stands is of a dead one.
        failpoints: where this process dies in tests.
        metrics: what is handled, and how long it took to come about.
        tracing: what makes spans of it.
        """
        self._consumer = consumer
        self._metrics = metrics or Metrics()
        self._tracing = tracing
        self._documents = documents
        self._bus = bus
        self._handlers = handlers
        self._pull = pull
        self._replica = replica
        self._interval = interval
        self._lease_ms = int(lease_seconds * 1000)
        self._exclusive = exclusive
        self._failpoints = failpoints or Failpoints()
        self._gathered = dict(gathered or {})
        self._gathering = Gathering(consumer, documents, self._gathered, self._take_gathered)
        self._channels = [event_channel(type) for type in (*handlers, *self._gathered)]
        self._owners = sorted({owner for type in (*handlers, *self._gathered) for owner in EVENTS[type].owners})
        self._in_flight: set[str] = set()
        # What is to be said to each owner with the next pull.
        self._unsaid: defaultdict[str, list[Acknowledgement]] = defaultdict(list)
        self._asked = {owner: asyncio.Event() for owner in self._owners}

    async def run(self) -> None:
        """Handles events until cancelled."""
        async with subscribed(self._bus, *self._channels) as items, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._gathering.run())
            for owner in self._owners:
                tasks.create_task(self._pull_forever(owner, tasks))
            async for item in items:
                if isinstance(item, Gap):
                    for asked in self._asked.values():
                        asked.set()
                else:
                    published = PublishedEvent.FromString(item.payload)
                    self._receive(published.event, published.acknowledge_to, tasks)

    def _receive(self, event: OutboxEvent, acknowledge_to: str, tasks: asyncio.TaskGroup) -> None:
        if self._consumer not in event.waiting_for or event.id in self._in_flight:
            return
        # What does not fit is pulled later.
        if len(self._in_flight) < _MOST_IN_FLIGHT:
            self._in_flight.add(event.id)
            if event.type in self._gathered:
                self._gathering.put(event, acknowledge_to)
            else:
                tasks.create_task(self._take(event, acknowledge_to))

    async def _take(self, event: OutboxEvent, acknowledge_to: str) -> None:
        caller = Caller(service=self._consumer)
        enter_call(Call(caller=caller, request_id=event.request_id, traceparent=event.traceparent))
        try:
            if await self._traced(event):
                self._tell(event, acknowledge_to, success=True)
        except PASSING as error:
            self._count(event, "put off")
            _log.warning("event %s (%s) waits: %s", event.id, event.type, error.text)
        except Exception:
            # One event must not end the others: its owner delivers it again, and parks it if it never succeeds.
            _log.exception("event %s (%s) was not handled", event.id, event.type)
            self._tell(event, acknowledge_to, success=False)
        finally:
            self._in_flight.discard(event.id)

    def _take_gathered(self, event: OutboxEvent, acknowledge_to: str, success: bool | None) -> None:
        self._in_flight.discard(event.id)
        if success is None:
            self._count(event, "put off")
        else:
            self._tell(event, acknowledge_to, success=success)

    def _tell(self, event: OutboxEvent, acknowledge_to: str, *, success: bool) -> None:
        if success:
            self._failpoints.reach("after_effect_before_ack")
            took = (self._documents.clock() - milliseconds(event.created_at)) / 1000
            self._metrics.cascade_seconds.labels(self._consumer, event.type).observe(max(0.0, took))
        self._count(event, "done" if success else "failed")
        self._say(event, acknowledge_to, failed=not success)

    def _count(self, event: OutboxEvent, outcome: str) -> None:
        self._metrics.events_handled.labels(self._consumer, event.type, outcome).inc()

    def _say(self, event: OutboxEvent, acknowledge_to: str, *, failed: bool) -> None:
        acknowledgement = Acknowledgement(consumer=self._consumer, event_id=event.id, failed=failed)
        if acknowledge_to:
            # If it is lost the event comes again, by a pull, and is answered by one.
            self._bus.publish(acknowledge_to, acknowledgement.SerializeToString())
        else:
            owner = owner_of(event.id)
            self._unsaid[owner].append(acknowledgement)
            self._asked[owner].set()

    async def _traced(self, event: OutboxEvent) -> bool:
        if self._tracing is None or not event.traceparent:
            return await self._handle(event)
        name, attributes = f"event {event.type}", {"llmchat.service": self._consumer}
        with self._tracing.span(name, SpanKind.CONSUMER, event.traceparent, attributes) as span:
            enter_call(replace(current_call(), traceparent=span.traceparent))
            return await self._handle(event)

    async def _handle(self, event: OutboxEvent) -> bool:
        """Whether the effect is whole; not so where another replica is at it."""
        payload = EVENTS[event.type].payload()
        event.payload.Unpack(payload)
        while (step := await self._documents.unit(lambda unit: self._step(unit, event, payload))) is _Step.MORE:
            self._failpoints.reach("between_steps_of_effect")
        return step is _Step.DONE

    async def _step(self, unit: Unit, event: OutboxEvent, payload: Message) -> _Step:
        id = f"{self._consumer}.{event.id}"
        mark = await unit.find(INBOX, id) or InboxMark(id=id)
        if mark.done:
            return _Step.DONE
        is_leased = mark.holder not in ("", self._replica) and milliseconds(mark.lease_expires_at) > unit.now
        if is_leased and not self._exclusive:
            return _Step.ELSEWHERE
        progress = await self._handlers[event.type](unit, payload, mark.progress)
        mark.progress = progress or ""
        mark.done = progress is None
        mark.holder = "" if mark.done else self._replica
        mark.lease_expires_at.CopyFrom(timestamp(0 if mark.done else unit.now + self._lease_ms))
        mark.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(INBOX, mark)
        return _Step.DONE if mark.done else _Step.MORE

    async def _pull_forever(self, owner: str, tasks: asyncio.TaskGroup) -> None:
        asked = self._asked[owner]
        while True:
            asked.clear()
            try:
                await self._pull_pages(owner, tasks)
            except DomainError as error:
                # Its owner is away: nothing is lost by asking later.
                _log.debug("%s does not answer %s: %s", owner, self._consumer, error.text)
                asked.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval * random.uniform(0.75, 1.25)):  # noqa: S311 # jitter
                    await asked.wait()

    async def _pull_pages(self, owner: str, tasks: asyncio.TaskGroup) -> None:
        unsaid = self._unsaid[owner]
        after_id = ""
        while True:
            said = unsaid[:_SAID_AT_ONCE]
            answer = await self._pull(
                PullEventsRequest(owner=owner, consumer=self._consumer, acknowledgements=said, after_id=after_id)
            )
            del unsaid[: len(said)]
            for event in answer.events:
                self._receive(event, "", tasks)
            after_id = answer.next_after_id
            if not after_id:
                return
