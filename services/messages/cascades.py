"""What becomes of conversations when their thread or their person is deleted."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ThreadDeleted, UserDataRemoved, UserDeleted
from llmchat.messages.stored.v1.stream_pb2 import Conversation

from libs.common.documents.tombstones import bury, is_alive
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS
from services.messages.generations import Generations
from services.messages.removal import close, remove_messages

_MORE = "messages"


async def remove_thread(
    unit: Unit, generations: Generations, outbox: Outbox, event: ThreadDeleted, progress: str
) -> str | None:
    """Stages one step of the removal of a deleted thread's messages; where to go on, None at the end.

    The first step closes the conversation, which stays as the thread's tombstone while its person is there. Each of the
    others tells what it removed.
    """
    if progress:
        removed = await remove_messages(unit, generations, event.thread_id)
        removed.tell(unit, outbox, event.thread_id, event.user_id)
        return None if removed.is_all else _MORE
    conversation = await unit.find(CONVERSATIONS, event.thread_id)
    if conversation is None:
        if not await is_alive(unit, "user", event.user_id):
            return None
        conversation = Conversation(id=event.thread_id, user_id=event.user_id)
    close(unit, conversation)
    return _MORE


async def remove_conversations(
    unit: Unit, generations: Generations, outbox: Outbox, event: UserDeleted, progress: str
) -> str | None:
    """Stages one step of the removal of a person's conversations; where to go on, None at the end.

    The first step buries the person, so that they say nothing more; the last tells how much they said.
    """
    if not progress:
        await bury(unit, "user", event.user_id)
        return "0 0"
    messages, tokens = map(int, progress.split())
    found = await unit.query(Query.where(CONVERSATIONS, order="id", limit=1, user_id=event.user_id))
    if not found:
        total = UserDataRemoved(service="messages", messages=messages, tokens=tokens)
        outbox.emit(unit, "user.data_removed", event.operation_id, total)
        return None
    conversation = found[0]
    if not conversation.deleted and _is_busy(conversation):
        close(unit, conversation)
        return progress
    removed = await remove_messages(unit, generations, conversation.id)
    if removed.is_all:
        unit.delete(CONVERSATIONS, conversation.id)
    return f"{messages + removed.messages} {tokens + removed.tokens}"


def _is_busy(conversation: Conversation) -> bool:
    return any(turns.running or turns.waiting for turns in conversation.turns.values())
