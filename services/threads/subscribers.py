"""What the threads service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import (
    GenerationFinished,
    MessagesImported,
    MessagesRemoved,
    ModelDeprecated,
    ThreadSummarized,
    UserDeleted,
)

from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.inbox import Handler
from libs.common.events.outbox import Outbox
from services.threads.activity import record_generation, record_import, record_removal
from services.threads.cascades import leave_model, remove_threads
from services.threads.summaries import record_summary


def subscriptions(changes: Changes, outbox: Outbox) -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def generation_finished(unit: Unit, event: Message, progress: str) -> str | None:
        await record_generation(unit, changes, outbox, cast(GenerationFinished, event))
        return None

    async def messages_imported(unit: Unit, event: Message, progress: str) -> str | None:
        await record_import(unit, changes, cast(MessagesImported, event))
        return None

    async def messages_removed(unit: Unit, event: Message, progress: str) -> str | None:
        await record_removal(unit, changes, cast(MessagesRemoved, event))
        return None

    async def user_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        return await remove_threads(unit, changes, outbox, cast(UserDeleted, event), progress)

    async def model_deprecated(unit: Unit, event: Message, progress: str) -> str | None:
        return await leave_model(unit, changes, cast(ModelDeprecated, event), progress)

    async def thread_summarized(unit: Unit, event: Message, progress: str) -> str | None:
        await record_summary(unit, changes, cast(ThreadSummarized, event))
        return None

    return {
        "generation.finished": generation_finished,
        "messages.imported": messages_imported,
        "messages.removed": messages_removed,
        "user.deleted": user_deleted,
        "model.deprecated": model_deprecated,
        "thread.summarized": thread_summarized,
    }
