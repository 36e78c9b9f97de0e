"""What the messages service does when something happened elsewhere."""

from __future__ import annotations

from google.protobuf.message import Message as AnyMessage
from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.messages.stored.v1.stream_pb2 import Conversation

from libs.common.clock import timestamp
from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.endings import clean_up
from services.messages.generations import Generations

_MESSAGES_A_STEP = 100


class ThreadDeletion:
    """thread.deleted: nothing new is said there any more, what runs is stopped, then all of it goes, page by page."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    async def handle(self, unit: Unit, payload: AnyMessage, progress: str) -> str | None:
        """One step: first the tombstone, which stays for good, then pages of messages with their chunks."""
        assert isinstance(payload, ThreadDeleted)  # noqa: S101 # the table of events says so
        if not progress:
            return await self._close(unit, payload.thread_id)
        return await self._remove(unit, payload.thread_id)

    async def _close(self, unit: Unit, thread_id: str) -> str:
        conversation = await unit.find(CONVERSATIONS, thread_id) or Conversation(id=thread_id)
        conversation.deleted = True
        # Nobody's turn comes any more: what waits is removed with the rest.
        conversation.turns.clear()
        conversation.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(CONVERSATIONS, conversation)
        return "messages"

    async def _remove(self, unit: Unit, thread_id: str) -> str | None:
        query = Query.where(MESSAGES, order="position", thread_id=thread_id, limit=_MESSAGES_A_STEP)
        messages = await unit.query(query)
        for message in messages:
            # Nobody writes chunks of a message once its generation has ended, and none begins whose turn comes now.
            await self._generations.cancel(message.id)
            if not await clean_up(unit, message.id):
                return "messages"
            unit.delete(MESSAGES, message.id)
        return "messages" if messages else None
