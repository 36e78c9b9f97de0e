"""The removal of messages, in steps that are bounded in documents and in bytes however long a conversation is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmchat.events.v1.events_pb2 import MessagesRemoved, RemovedMessages
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message

from libs.common.clock import timestamp
from libs.common.documents.portions import read_portion
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.endings import clean_up
from services.messages.generations import Generations
from services.messages.rules import has_ended
from services.messages.summaries import remove_summaries


@dataclass(slots=True)
class Removed:
    """What one step has staged the removal of, by model; `is_all` where nothing is left after it."""

    models: defaultdict[str, RemovedMessages] = field(default_factory=lambda: defaultdict(RemovedMessages))
    is_all: bool = False

    @property
    def messages(self) -> int:
        """How many of all models."""
        return sum(one.messages for one in self.models.values())

    @property
    def tokens(self) -> int:
        """How many all of them had."""
        return sum(one.tokens for one in self.models.values())

    def tell(self, unit: Unit, outbox: Outbox, thread_id: str, user_id: str) -> None:
        """Stages that others hear of what is removed, if anything is."""
        if self.models:
            removed = MessagesRemoved(thread_id=thread_id, user_id=user_id, models=self.models)
            outbox.emit(unit, "messages.removed", thread_id, removed)


def close(unit: Unit, conversation: Conversation) -> None:
    """Stages that nothing is said in the conversation any more."""
    conversation.deleted = True
    # Nobody's turn comes any more, and nothing follows anything: all that there is is removed.
    for kept in ("turns", "branches", "heads", "removals"):
        conversation.ClearField(kept)
    conversation.updated_at.CopyFrom(timestamp(unit.now))
    unit.put(CONVERSATIONS, conversation)


async def remove_messages(unit: Unit, generations: Generations, thread_id: str) -> Removed:
    """Stages one step of the removal of a closed conversation's messages: the newest first, as they follow others,
    and with the last of them its summaries.
    """
    query = Query.where(MESSAGES, order="position", descending=True, thread_id=thread_id)
    portion = await read_portion(unit, query)
    removed = await remove(unit, generations, portion.documents)
    removed.is_all = removed.is_all and portion.is_last
    if removed.is_all:
        await remove_summaries(unit, thread_id)
    return removed


async def remove(unit: Unit, generations: Generations, messages: Sequence[Message]) -> Removed:
    """Stages the removal of `messages`, at most a portion, with their chunks and leases.

    A step that finds answers that have not ended ends them and removes nothing: nobody writes chunks of a message once
    its generation has ended, and none begins whose turn comes now.
    """
    removed = Removed()
    unended = [message.id for message in messages if not has_ended(message)]
    if unended:
        for message_id in unended:
            await generations.cancel(message_id)
        return removed
    for message in messages:
        if message.generation and not await clean_up(unit, message.id):
            return removed
        unit.delete(MESSAGES, message.id)
        removed.models[message.model_id].messages += 1
        removed.models[message.model_id].tokens += message.context_tokens + message.total_tokens
        removed.models[message.model_id].cost_nanos += message.cost_nanos
    removed.is_all = True
    return removed
