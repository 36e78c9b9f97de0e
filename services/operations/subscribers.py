"""What the operations service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import (
    AuditRecorded,
    ModelDeprecated,
    SummaryWanted,
    ThreadDeleted,
    TitleWanted,
    UserDataRemoved,
    UserDeleted,
    UserDeletionAdvanced,
)

from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.gathering import Gathered
from libs.common.events.inbox import Handler
from services.operations.audit_log import append
from services.operations.cascades import release_thread, want_title
from services.operations.removed import add_removed
from services.operations.stats import (
    count_calls,
    count_generation,
    count_imported,
    count_removed,
    count_removed_messages,
    count_thread,
    count_user,
)
from services.operations.summarize import want_summary
from services.operations.system_config import SystemConfigs
from services.operations.user_deletion import advance_deletion, remove_operations

# What was handled leaves the index, so that each step begins where the one before did.
_MORE = "more"


def subscriptions(changes: Changes, config: SystemConfigs) -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def title_wanted(unit: Unit, event: Message, progress: str) -> str | None:
        await want_title(unit, changes, cast(TitleWanted, event))
        return None

    async def summary_wanted(unit: Unit, event: Message, progress: str) -> str | None:
        await want_summary(unit, changes, cast(SummaryWanted, event))
        return None

    async def thread_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        deleted = cast(ThreadDeleted, event)
        if not progress:
            await count_removed(unit, threads=1)
        return None if await release_thread(unit, changes, deleted, first=not progress) else _MORE

    async def user_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        deleted = cast(UserDeleted, event)
        return None if await remove_operations(unit, changes, deleted, first=not progress) else _MORE

    async def user_deletion_advanced(unit: Unit, event: Message, progress: str) -> str | None:
        await advance_deletion(unit, changes, cast(UserDeletionAdvanced, event))
        return None

    async def user_data_removed(unit: Unit, event: Message, progress: str) -> str | None:
        removed = cast(UserDataRemoved, event)
        await add_removed(unit, threads=removed.threads, messages=removed.messages, tokens=removed.tokens)
        return None

    async def audit_recorded(unit: Unit, event: Message, progress: str) -> str | None:
        await append(unit, cast(AuditRecorded, event).audit_event)
        return None

    async def model_deprecated(unit: Unit, event: Message, progress: str) -> str | None:
        await config.leave_model(unit, cast(ModelDeprecated, event))
        return None

    return {
        "thread.title_wanted": title_wanted,
        "summary.wanted": summary_wanted,
        "thread.deleted": thread_deleted,
        "user.deleted": user_deleted,
        "user.deletion_advanced": user_deletion_advanced,
        "user.data_removed": user_data_removed,
        "audit.recorded": audit_recorded,
        "model.deprecated": model_deprecated,
    }


def counted() -> dict[str, Gathered]:
    """What is done at events that are only counted."""
    return {
        "user.created": count_user,
        "thread.created": count_thread,
        "generation.counted": count_generation,
        "messages.imported": count_imported,
        "messages.removed": count_removed_messages,
        "calls.counted": count_calls,
    }
