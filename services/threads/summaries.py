"""What a thread says of the summaries that are kept of it."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ThreadSummarized

from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from services.threads.collections import THREADS
from services.threads.thread import save


async def record_summary(unit: Unit, changes: Changes, event: ThreadSummarized) -> None:
    """Stages the summary that a model has of its thread, or that it has none any more. That is no activity.

    A thread that is gone needs nothing.
    """
    thread = await unit.find(THREADS, event.thread_id)
    if thread is None:
        return
    usage = thread.models[event.model_id]
    if event.summary:
        usage.summary = event.summary
        usage.summary_tokens = event.summary_tokens
        usage.summary_updated_at.CopyFrom(event.summarized_at)
    else:
        for field in ("summary", "summary_tokens", "summary_updated_at"):
            usage.ClearField(field)
    save(unit, changes, thread)
