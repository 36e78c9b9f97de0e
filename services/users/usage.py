"""What people have used: counted from events, beside the account, so that it does not get in the way of its changes."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.events.v1.events_pb2 import GenerationFinished, MessagesImported, ThreadCreated
from llmchat.users.stored.v1.user_pb2 import UsageRecord
from llmchat.users.v1.user_pb2 import UserUsage

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.tombstones import is_alive
from libs.common.documents.unit import Unit
from services.users.collections import USAGES, USERS


async def count_thread(unit: Unit, event: ThreadCreated) -> None:
    """Stages one more thread of the person's; nothing where they are forgotten."""
    usage = await _usage(unit, event.user_id, event.created_at)
    if usage is not None:
        usage.total_threads += 1


async def count_generation(unit: Unit, event: GenerationFinished) -> None:
    """Stages what an answer to the person adds; nothing where they are forgotten."""
    usage = await _usage(unit, event.user_id, event.finished_at)
    if usage is not None:
        usage.total_messages += event.messages
        usage.total_tokens += event.tokens


async def count_imported(unit: Unit, event: MessagesImported) -> None:
    """Stages what a person has brought in from elsewhere; nothing where they are forgotten."""
    at = timestamp(min(milliseconds(event.last_message_at), unit.now))
    usage = await _usage(unit, event.user_id, at)
    if usage is not None:
        usage.total_messages += sum(event.messages.values())


async def forget_usage(unit: Unit, user_id: str) -> None:
    """Stages that nothing is known of what the person used."""
    if await unit.find(USAGES, user_id) is None:
        # Else one that is counted meanwhile would stay.
        unit.require_absent(USAGES, user_id)
    else:
        unit.delete(USAGES, user_id)


async def _usage(unit: Unit, user_id: str, at: Timestamp) -> UserUsage | None:
    """The person's, staged already: what is added to it before the commit is stored."""
    if not await is_alive(unit, "user", user_id) or await unit.find(USERS, user_id) is None:
        return None
    record = await unit.find(USAGES, user_id) or UsageRecord(id=user_id)
    # Events may come in another order than things happened in.
    if milliseconds(at) > milliseconds(record.usage.last_active_at):
        record.usage.last_active_at.CopyFrom(at)
    return unit.put(USAGES, record).usage
