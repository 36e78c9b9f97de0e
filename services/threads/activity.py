"""How finished generations, imported and removed messages move their thread: totals, models, the wish for a title."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.events.v1.events_pb2 import GenerationFinished, MessagesImported, MessagesRemoved, TitleWanted
from llmchat.threads.v1.thread_pb2 import MODEL_USAGE_STATUS_ACTIVE, MODEL_USAGE_STATUS_ARCHIVED, ModelUsage, Thread

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.tombstones import living_successor
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.threads.collections import THREADS
from services.threads.thread import save


async def record_generation(unit: Unit, changes: Changes, outbox: Outbox, event: GenerationFinished) -> None:
    """Stages what the generation adds to its thread; a thread that is gone needs nothing.

    A model that is deprecated by then counts and does not become active: what stands in its place does.

    A complete answer in a thread without a title asks for one. Whoever makes titles does so once per thread, so only
    the first complete answer has an effect.
    """
    thread = await unit.find(THREADS, event.thread_id)
    if thread is None:
        return
    usage = thread.models[event.model_id]
    usage.message_count += event.messages
    usage.total_tokens_used += event.tokens
    await _activate(unit, thread, event.model_id, usage)
    if event.HasField("temperature"):
        usage.last_temperature = event.temperature
    thread.total_messages += event.messages
    thread.total_cost_nanos += event.cost_nanos
    # Events of several generations may arrive in another order than these ended in.
    _advance(usage.last_message_at, event.finished_at)
    _advance(thread.updated_at, event.finished_at)
    save(unit, changes, thread)
    if event.complete and not thread.has_title:
        wanted = TitleWanted(thread_id=thread.id, user_id=thread.user_id, model_id=event.model_id)
        outbox.emit(unit, "thread.title_wanted", thread.id, wanted)


async def record_import(unit: Unit, changes: Changes, event: MessagesImported) -> None:
    """Stages what was brought in from elsewhere; a thread that is gone needs nothing.

    A time that is yet to come is no activity: now is.
    """
    thread = await unit.find(THREADS, event.thread_id)
    if thread is None:
        return
    at = timestamp(min(milliseconds(event.last_message_at), unit.now))
    for model_id, messages in event.messages.items():
        usage = thread.models[model_id]
        usage.message_count += messages
        thread.total_messages += messages
        await _activate(unit, thread, model_id, usage)
        _advance(usage.last_message_at, at)
    _advance(thread.updated_at, at)
    save(unit, changes, thread)


async def record_removal(unit: Unit, changes: Changes, event: MessagesRemoved) -> None:
    """Stages what the thread has no more; one that is gone needs nothing. No activity: the thread keeps its place.

    A model without a message left is not active any more. What was counted before removals were told of may be less
    than what they take away: no total falls below zero.
    """
    thread = await unit.find(THREADS, event.thread_id)
    if thread is None:
        return
    for model_id, removed in event.models.items():
        usage = thread.models[model_id]
        usage.message_count = max(0, usage.message_count - removed.messages)
        usage.total_tokens_used = max(0, usage.total_tokens_used - removed.tokens)
        if not usage.message_count and model_id in thread.active_models:
            thread.active_models.remove(model_id)
        thread.total_messages = max(0, thread.total_messages - removed.messages)
        thread.total_cost_nanos = max(0, thread.total_cost_nanos - removed.cost_nanos)
    save(unit, changes, thread)


async def _activate(unit: Unit, thread: Thread, model_id: str, usage: ModelUsage) -> None:
    """Has the model among the thread's active ones, or what stands in its place."""
    active = await living_successor(unit, "model", model_id)
    usage.status = MODEL_USAGE_STATUS_ACTIVE if active == model_id else MODEL_USAGE_STATUS_ARCHIVED
    if active and active not in thread.active_models:
        thread.active_models.append(active)


def _advance(stamp: Timestamp, to: Timestamp) -> None:
    if milliseconds(to) > milliseconds(stamp):
        stamp.CopyFrom(to)
