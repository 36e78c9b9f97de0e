"""Events whose effects are small and in no hurry: many of them are handled in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from llmchat.store.v1.outbox_pb2 import InboxMark, OutboxEvent

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.system import INBOX
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, DeadlineExceeded, Exhausted, Unavailable
from libs.common.events.table import EVENTS

_log = logging.getLogger(__name__)

# Stages the whole effect of an event, given its payload; others may be staged in the same unit.
Gathered = Callable[[Unit, Any], Awaitable[None]]

# A consumer that meets these says nothing: the event comes again, and is not parked because a part was away.
PASSING = (Unavailable, Contended, DeadlineExceeded, Exhausted)

# Seconds that the first of them waits for others.
_LINGER = 0.1
_MOST = 100


class Gathering:
    """Handles what is put, each event once: the effects of many and the marks of them are one commit."""

    def __init__(
        self,
        consumer: str,
        documents: Documents,
        handlers: Mapping[str, Gathered],
        handled: Callable[[OutboxEvent, str, bool | None], None],
    ) -> None:
        """Args:
        consumer: the service that consumes.
        documents: its documents, which the effects are on.
        handlers: by event type, what they do.
        handled: is told of each event, where to acknowledge it, and whether it succeeded; None where it comes again.
        """
        self._consumer = consumer
        self._documents = documents
        self._handlers = handlers
        self._handled = handled
        self._waiting: list[tuple[OutboxEvent, str]] = []
        self._filled = asyncio.Event()

    def put(self, event: OutboxEvent, acknowledge_to: str) -> None:
        """Has the event handled soon."""
        self._waiting.append((event, acknowledge_to))
        self._filled.set()

    async def run(self) -> None:
        """Handles until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_LINGER)
            while self._waiting:
                some, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._handle(some)
            self._filled.clear()

    async def _handle(self, some: Sequence[tuple[OutboxEvent, str]]) -> None:
        success: bool | None = True
        try:
            await self._documents.unit(lambda unit: self._stage(unit, [event for event, _ in some]))
        except PASSING as error:
            _log.warning("%d events wait: %s", len(some), error.text)
            success = None
        except Exception:
            if len(some) > 1:
                # One that cannot be handled must not hold up the others.
                for one in some:
                    await self._handle([one])
                return
            event = some[0][0]
            _log.exception("event %s (%s) was not handled", event.id, event.type)
            success = False
        for event, acknowledge_to in some:
            self._handled(event, acknowledge_to, success)

    async def _stage(self, unit: Unit, events: Sequence[OutboxEvent]) -> None:
        for event in events:
            id = f"{self._consumer}.{event.id}"
            mark = await unit.find(INBOX, id)
            if mark is None or not mark.done:
                payload = EVENTS[event.type].payload()
                event.payload.Unpack(payload)
                await self._handlers[event.type](unit, payload)
                unit.put(INBOX, InboxMark(id=id, done=True, updated_at=timestamp(unit.now)))
