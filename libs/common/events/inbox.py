"""The inbox: each event handled once by each consumer, its effect and the mark of it in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from weakref import WeakValueDictionary

from google.protobuf.message import Message
from llmchat.store.v1.outbox_pb2 import InboxMark, OutboxEvent

from libs.common.clock import timestamp
from libs.common.context import Call, Caller, enter_call
from libs.common.documents.documents import Documents
from libs.common.documents.system import INBOX
from libs.common.documents.unit import Unit
from libs.common.events.bus import Bus
from libs.common.events.outbox import ack_channel, event_channel
from libs.common.events.table import EVENTS

_log = logging.getLogger(__name__)

# Stages one step of the effect in the unit. Gets the progress that the step before returned (empty at first) and
# returns where to go on, or None once the effect is whole: so a large effect goes in pages and a crash resumes.
Handler = Callable[[Unit, Message, str], Awaitable[str | None]]


class Inbox:
    """One service's incoming events. `run` handles what the bus brings; events of one aggregate go one by one."""

    def __init__(self, consumer: str, documents: Documents, bus: Bus, handlers: Mapping[str, Handler]) -> None:
        self._consumer = consumer
        self._documents = documents
        self._bus = bus
        self._handlers = handlers
        self._in_flight: set[str] = set()
        self._aggregates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self) -> None:
        """Handles events until cancelled."""
        channels = [event_channel(type) for type in self._handlers]
        async with self._bus.subscribe(*channels) as deliveries, asyncio.TaskGroup() as tasks:
            async for delivery in deliveries:
                event = OutboxEvent.FromString(delivery.payload)
                if self._consumer in event.waiting_for and event.id not in self._in_flight:
                    self._in_flight.add(event.id)
                    tasks.create_task(self._take(event))

    async def _take(self, event: OutboxEvent) -> None:
        enter_call(Call(caller=Caller(service=self._consumer), request_id=event.request_id))
        lock = self._aggregates.setdefault(event.aggregate_id, asyncio.Lock())
        try:
            async with lock:
                await self._handle(event)
        except Exception:
            # One event must not end the others: its owner redelivers it, and parks it in sight if it never succeeds.
            _log.exception("event %s (%s) was not handled", event.id, event.type)
        finally:
            self._in_flight.discard(event.id)

    async def _handle(self, event: OutboxEvent) -> None:
        payload = EVENTS[event.type].payload()
        event.payload.Unpack(payload)
        while not await self._documents.unit(lambda unit: self._step(unit, event, payload)):
            pass
        owner = event.id.rsplit(".", 1)[1]
        await self._bus.publish(ack_channel(owner), f"{self._consumer} {event.id}".encode())

    async def _step(self, unit: Unit, event: OutboxEvent, payload: Message) -> bool:
        id = f"{self._consumer}.{event.id}"
        mark = await unit.find(INBOX, id) or InboxMark(id=id)
        if mark.done:
            return True
        progress = await self._handlers[event.type](unit, payload, mark.progress)
        mark.progress = progress or ""
        mark.done = progress is None
        mark.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(INBOX, mark)
        return mark.done
