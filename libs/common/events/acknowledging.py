"""What consumers say of a service's events: stored, many in one commit."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

from google.protobuf.message import Message
from llmchat.store.v1.outbox_pb2 import Acknowledgement, OutboxEvent

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.system import OUTBOX
from libs.common.documents.unit import Unit
from libs.common.events.table import EVENTS

_log = logging.getLogger(__name__)
_LONGEST_BACKOFF_MS = 60_000
_ATTEMPTS_BEFORE_PARKING = 20
_AT_ONCE = 100

# What the owner does in the same commit in which a consumer's acknowledgement is stored: the event is without that
# consumer already, and its last one when `waiting_for` is empty. Gets the event's payload.
Completion = Callable[[Unit, OutboxEvent, Message], Awaitable[None]]


def pause(interval: float, times: int) -> int:
    """Milliseconds before the next delivery: exponential backoff from `interval` seconds, with jitter."""
    backoff = min(_LONGEST_BACKOFF_MS, int(interval * 1000) * 2 ** min(times, 10))
    return int(backoff * random.uniform(0.5, 1.0))  # noqa: S311 # jitter, not a secret


class Acknowledgements:
    """Settles a service's events. `run` stores what is put."""

    def __init__(
        self,
        documents: Documents,
        interval: float,
        completions: Mapping[str, Completion],
        settled: Callable[[Unit, OutboxEvent, str], None],
    ) -> None:
        """Args:
        documents: where the events are stored.
        interval: seconds between looks for what must be delivered again.
        completions: by event type, what follows an acknowledgement.
        settled: stages what follows when a consumer has handled an event.
        """
        self._documents = documents
        self._interval = interval
        self._completions = dict(completions)
        self._settled = settled
        self._waiting: list[Acknowledgement] = []
        self._filled = asyncio.Event()

    def put(self, acknowledgement: Acknowledgement) -> None:
        """Has it stored soon. What cannot be stored is said again with the consumer's next pull."""
        self._waiting.append(acknowledgement)
        self._filled.set()

    async def run(self) -> None:
        """Stores until cancelled: while one commit is under way, those that come are collected for the next."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                some, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._store_if_possible(some)

    async def store(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Stores what is said of events; nothing where that is known already.

        Raises:
            Contended, Unavailable: some could not be stored: the consumer will say them again.
        """
        for start in range(0, len(acknowledgements), _AT_ONCE):
            await self._store(acknowledgements[start : start + _AT_ONCE])

    async def _store_if_possible(self, some: Sequence[Acknowledgement]) -> None:
        try:
            await self._store(some)
        except Exception:
            if len(some) == 1:
                _log.exception("the acknowledgement of %s was not stored", some[0].event_id)
            else:
                # One that cannot be stored must not hold up the others.
                for one in some:
                    await self._store_if_possible([one])

    async def _store(self, some: Sequence[Acknowledgement]) -> None:
        async def work(unit: Unit) -> None:
            for acknowledgement in some:
                await self._take_in(unit, acknowledgement)

        await self._documents.unit(work)

    async def _take_in(self, unit: Unit, acknowledgement: Acknowledgement) -> None:
        event = await unit.find(OUTBOX, acknowledgement.event_id)
        if event is None or acknowledgement.consumer not in event.waiting_for:
            return
        if not acknowledgement.failed:
            await self._settle(unit, event, acknowledgement.consumer)
        elif not event.is_parked:
            self._postpone(unit, event)

    def _postpone(self, unit: Unit, event: OutboxEvent) -> None:
        event.attempts += 1
        event.redeliveries = 0
        if event.attempts >= _ATTEMPTS_BEFORE_PARKING:
            event.is_parked = True
            event.parked_at.CopyFrom(timestamp(unit.now))
            _log.error("event %s (%s) is parked: %s failed at it", event.id, event.type, list(event.waiting_for))
        event.next_attempt_at.CopyFrom(timestamp(unit.now + pause(self._interval, event.attempts)))
        unit.put(OUTBOX, event)

    async def _settle(self, unit: Unit, event: OutboxEvent, consumer: str) -> None:
        event.waiting_for.remove(consumer)
        completion = self._completions.get(event.type)
        if completion is not None:
            payload = EVENTS[event.type].payload()
            event.payload.Unpack(payload)
            await completion(unit, event, payload)
        if event.waiting_for:
            unit.put(OUTBOX, event)
        else:
            unit.delete(OUTBOX, event.id)
        self._settled(unit, event, consumer)
