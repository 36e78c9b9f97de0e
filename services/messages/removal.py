"""The removal of conversations, in steps that are bounded in documents and in bytes however long a conversation is."""

from __future__ import annotations

from dataclasses import dataclass

from llmchat.messages.stored.v1.stream_pb2 import Conversation

from libs.common.clock import timestamp
from libs.common.documents.portions import read_portion
from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.endings import clean_up
from services.messages.generations import Generations
from services.messages.rules import has_ended


@dataclass(slots=True)
class Removed:
    """What one step has staged the removal of; `is_all` where no message is left after it."""

    messages: int = 0
    tokens: int = 0
    is_all: bool = False


def close(unit: Unit, conversation: Conversation) -> None:
    """Stages that nothing is said in the conversation any more."""
    conversation.deleted = True
    # Nobody's turn comes any more: what waits is removed with the rest.
    conversation.turns.clear()
    conversation.updated_at.CopyFrom(timestamp(unit.now))
    unit.put(CONVERSATIONS, conversation)


async def remove_messages(unit: Unit, generations: Generations, thread_id: str) -> Removed:
    """Stages one step of the removal of a closed conversation's messages, with their chunks and leases.

    A step that finds answers that have not ended ends them and removes nothing: nobody writes chunks of a message once
    its generation has ended, and none begins whose turn comes now.
    """
    portion = await read_portion(unit, Query.where(MESSAGES, order="position", thread_id=thread_id))
    unended = [message.id for message in portion.documents if not has_ended(message)]
    if unended:
        for message_id in unended:
            await generations.cancel(message_id)
        return Removed()
    removed = Removed()
    for message in portion.documents:
        if message.generation and not await clean_up(unit, message.id):
            return removed
        unit.delete(MESSAGES, message.id)
        removed.messages += 1
        removed.tokens += message.context_tokens + message.total_tokens
    removed.is_all = portion.is_last
    return removed
