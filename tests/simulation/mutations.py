"""The protocols, each broken in one place: a simulation that does not find these would find nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from google.protobuf.message import Message as AnyMessage
from llmchat.messages.v1.message_pb2 import Message
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.common.clock import milliseconds
from libs.common.documents.system import OUTBOX
from libs.common.documents.unit import Unit
from libs.common.events import inbox, outbox
from libs.common.events.acknowledging import Acknowledgements
from libs.common.events.gathering import Gathering
from libs.common.events.inbox import Inbox
from libs.common.events.outbox import Outbox
from libs.common.events.table import EVENTS
from libs.common.store.hlc import HybridClock
from libs.common.store.port import CollectionSpec, Put, Query
from services.messages import branches, cascades, generations, leases, removal, streams
from services.messages.generation import Generation
from services.messages.hub import LiveTokens

_TAKE, _STAGE, _STEP, _PUT = Inbox._take, Outbox._stage, Inbox._step, Unit.put
_STORE_CHUNK = Generation._store_chunk


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is broken, in words; the scenario in which it shows; and what stands in the place of what."""

    text: str
    scenario: str
    target: object
    name: str
    broken: Any

    def applied(self) -> AbstractContextManager[Any]:
        """The product with the break, while the context is open."""
        return patch.object(self.target, self.name, self.broken)


async def _step_without_mark(self: Inbox, unit: Unit, event: OutboxEvent, payload: AnyMessage) -> Any:
    progress: str | None = ""
    while progress is not None:
        progress = await self._handlers[event.type](unit, payload, progress)
    return inbox._Step.DONE


async def _step_before_its_mark(self: Inbox, unit: Unit, event: OutboxEvent, payload: AnyMessage) -> Any:
    effect = Unit(self._documents.store, unit.now)
    handlers, handler = self._handlers, self._handlers[event.type]

    async def elsewhere(_: Unit, payload: AnyMessage, progress: str) -> str | None:
        reached = await handler(effect, payload, progress)
        await effect.commit()
        return reached

    with patch.object(self, "_handlers", {**handlers, event.type: elsewhere}):
        return await _STEP(self, unit, event, payload)


async def _count_without_mark(self: Gathering, unit: Unit, events: Sequence[OutboxEvent]) -> None:
    for event in events:
        payload = EVENTS[event.type].payload()
        event.payload.Unpack(payload)
        await self._handlers[event.type](unit, payload)


async def _acknowledge_first(self: Inbox, event: OutboxEvent, acknowledge_to: str) -> None:
    self._say(event, acknowledge_to, failed=False)
    await _TAKE(self, event, acknowledge_to)


async def _never_pull(self: Inbox, owner: str, tasks: asyncio.TaskGroup) -> None:
    await asyncio.Event().wait()


async def _publish_before_the_commit(self: Outbox, unit: Unit, event: OutboxEvent) -> None:
    await _STAGE(self, unit, event)
    self._publish(event)


async def _settle_at_the_first(self: Acknowledgements, unit: Unit, event: OutboxEvent, consumer: str) -> None:
    unit.delete(OUTBOX, event.id)


async def _all_at_once(self: Outbox, aggregate_id: str) -> AsyncIterator[tuple[OutboxEvent, list[str]]]:
    for event in await self._documents.query(Query.where(OUTBOX, order="id", aggregate_id=aggregate_id)):
        yield event, list(event.waiting_for)


def _only_between_deliveries(event: OutboxEvent, now: int) -> bool:
    return not event.attempts or milliseconds(event.next_attempt_at) <= now


def _put_over_whatever_is_there(self: Unit, spec: CollectionSpec[Any], document: Any) -> Any:
    _PUT(self, spec, document)
    self._writes[spec.name, document.id] = Put(spec.name, document.id, document)
    return document


async def _no_fence(unit: Unit, message: Message) -> bool:
    return False


async def _deliver_before_storing(self: Generation) -> bool:
    tokens = self.tokens[self.stored : self.stored + 5]
    self._hub.publish(self.message.id, LiveTokens(self.stored + 1, tokens))
    return await _STORE_CHUNK(self)


def _over_gaps(live: Sequence[LiveTokens], seq: int) -> list[str]:
    fresh: list[str] = []
    for item in live:
        fresh += item.tokens[max(0, seq + len(fresh) + 1 - item.first_seq) :]
    return fresh


async def _bury_nobody(unit: Unit, kind: str, id: str) -> None:
    return


MUTATIONS: Mapping[str, Mutation] = {
    "no-mark": Mutation("effects leave no mark in the inbox", "events", Inbox, "_step", _step_without_mark),
    "mark-later": Mutation("mark and effect are two commits", "events", Inbox, "_step", _step_before_its_mark),
    "count-again": Mutation(
        "what is only counted leaves no mark in the inbox", "cascades", Gathering, "_stage", _count_without_mark
    ),
    "ack-first": Mutation("events are acknowledged before their effect", "events", Inbox, "_take", _acknowledge_first),
    "no-pull": Mutation("what the bus loses is not asked for", "events", Inbox, "_pull_forever", _never_pull),
    "publish-first": Mutation(
        "events are published before they are stored", "events", Outbox, "_stage", _publish_before_the_commit
    ),
    "settle-first": Mutation(
        "the first consumer settles an event", "events", Acknowledgements, "_settle", _settle_at_the_first
    ),
    "no-order": Mutation("later events of an aggregate do not wait", "events", Outbox, "_in_turn", _all_at_once),
    "no-clock": Mutation(
        "clocks of replicas do not learn from each other", "events", HybridClock, "observe", lambda self, reading: None
    ),
    "starve": Mutation(
        "what is published in vain cannot be pulled", "events", outbox, "_may_be_tried", _only_between_deliveries
    ),
    "lost-updates": Mutation(
        "documents are put over whatever is there", "events", Unit, "put", _put_over_whatever_is_there
    ),
    "no-fence": Mutation("a writer is taken over without a fence", "streams", leases, "create_fence", _no_fence),
    "deliver-first": Mutation(
        "tokens are delivered before they are stored", "streams", Generation, "_store_chunk", _deliver_before_storing
    ),
    "no-gaps": Mutation(
        "a reader does not notice that tokens are missing", "streams", streams, "_continue", _over_gaps
    ),
    "end-again": Mutation("what has ended is ended again", "streams", generations, "has_ended", lambda message: False),
    "no-tombstone": Mutation("a deleted person leaves no tombstone", "cascades", cascades, "bury", _bury_nobody),
    "stay-open": Mutation(
        "a deleted thread's conversation stays open", "cascades", cascades, "close", lambda unit, conversation: None
    ),
    "untold": Mutation(
        "nobody is told of messages that are removed", "cascades", removal.Removed, "tell", lambda *_: None
    ),
    "half-removed": Mutation(
        "what follows a deleted message stays", "cascades", branches, "_following", lambda known, message: iter(())
    ),
    "end-nothing": Mutation(
        "messages are removed while they are written", "cascades", removal, "has_ended", lambda message: True
    ),
}
