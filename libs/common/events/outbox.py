"""The outbox: events stored with the change they tell of, delivered until every consumer has acknowledged."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from functools import partial

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.common.clock import milliseconds, timestamp
from libs.common.context import current_call
from libs.common.documents.documents import Documents
from libs.common.documents.system import OUTBOX
from libs.common.documents.unit import Unit, new_id
from libs.common.events.bus import Bus, Delivery
from libs.common.events.table import EVENTS
from libs.common.store.port import Query

_log = logging.getLogger(__name__)
_LONGEST_BACKOFF_MS = 60_000
_ATTEMPTS_BEFORE_PARKING = 20


def event_channel(type: str) -> str:
    """Where events of a type are published."""
    return f"events.{type}"


def ack_channel(owner: str) -> str:
    """Where the consumers of a service's events acknowledge them, as `{consumer} {event id}`."""
    return f"acks.{owner}"


class Outbox:
    """One service's outgoing events. `run` redelivers what is unsettled and takes the acknowledgements in."""

    def __init__(self, service: str, documents: Documents, bus: Bus, *, interval: float = 2.0) -> None:
        self._service = service
        self._documents = documents
        self._bus = bus
        self._interval = interval
        self._publishing: set[asyncio.Task[None]] = set()

    def emit(self, unit: Unit, type: str, aggregate_id: str, payload: Message) -> None:
        """Stages an event of the table of events in `unit` and publishes it once that is committed."""
        packed = AnyMessage()
        packed.Pack(payload)
        event = OutboxEvent(
            id=f"{new_id(OUTBOX)}.{self._service}",
            type=type,
            aggregate_id=aggregate_id,
            payload=packed,
            waiting_for=EVENTS[type].consumers,
            next_attempt_at=timestamp(unit.now + int(self._interval * 1000)),
            created_at=timestamp(unit.now),
            request_id=current_call().request_id,
        )
        unit.create(OUTBOX, event)
        unit.then(lambda: self._publish_soon(event))

    async def run(self) -> None:
        """Redelivers until cancelled; what an earlier process left unsettled goes out at once."""
        async with self._bus.subscribe(ack_channel(self._service)) as acks, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_acks(acks, tasks))
            await self._resume()
            while True:
                await asyncio.sleep(self._interval)
                await self._redeliver()

    def _publish_soon(self, event: OutboxEvent) -> None:
        task = asyncio.create_task(self._bus.publish(event_channel(event.type), event.SerializeToString()))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _take_acks(self, acks: AsyncIterator[Delivery], tasks: asyncio.TaskGroup) -> None:
        async for delivery in acks:
            consumer, event_id = delivery.payload.decode().split(" ", 1)
            # Side by side, so that they share the store's commits.
            tasks.create_task(self._documents.unit(partial(self._settle, consumer, event_id)))

    async def _settle(self, consumer: str, event_id: str, unit: Unit) -> None:
        event = await unit.find(OUTBOX, event_id)
        if event is None or consumer not in event.waiting_for:
            return
        event.waiting_for.remove(consumer)
        if event.waiting_for:
            unit.put(OUTBOX, event)
        else:
            unit.delete(OUTBOX, event_id)

    async def _resume(self) -> None:
        """Publishes what an earlier process left. That is no attempt: a process that crashes often parks nothing."""
        for event in await self._documents.query(Query.where(OUTBOX, order="next_attempt_at")):
            if not event.HasField("parked_at"):
                self._publish_soon(event)

    async def _redeliver(self) -> None:
        now = self._documents.clock()
        for event in await self._documents.query(Query.where(OUTBOX, order="next_attempt_at")):
            if milliseconds(event.next_attempt_at) > now:
                return
            if not event.HasField("parked_at"):
                await self._documents.unit(partial(self._attempt, event.id))

    async def _attempt(self, event_id: str, unit: Unit) -> None:
        event = await unit.find(OUTBOX, event_id)
        if event is None:
            return
        event.attempts += 1
        if event.attempts > _ATTEMPTS_BEFORE_PARKING:
            event.parked_at.CopyFrom(timestamp(unit.now))
            _log.error("event %s (%s) parked: %s never acknowledged", event.id, event.type, list(event.waiting_for))
        backoff = min(_LONGEST_BACKOFF_MS, int(self._interval * 1000) * 2 ** min(event.attempts, 10))
        pause = int(backoff * random.uniform(0.5, 1.0))  # noqa: S311 # jitter, not a secret
        event.next_attempt_at.CopyFrom(timestamp(unit.now + pause))
        unit.put(OUTBOX, event)
        if not event.HasField("parked_at"):
            unit.then(lambda: self._publish_soon(event))
