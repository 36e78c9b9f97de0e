"""A message names the one that it follows. Before branches there was one path alone, and none did."""

from __future__ import annotations

from collections.abc import Sequence

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message

from libs.common.documents.unit import Unit
from libs.common.migrations.declaration import Backfill, Migration
from libs.common.store.port import Cursor, Query
from services.messages.branches import is_removed
from services.messages.collections import CONVERSATIONS, MESSAGES


async def up(unit: Unit, messages: Sequence[Message]) -> Sequence[Message]:
    """Gives each message that names none the one that it follows; the first one of a conversation follows none."""
    changed = []
    for message in messages:
        if not message.parent_id and not message.branch:
            message.parent_id = await _preceding(unit, message)
            if message.parent_id:
                changed.append(message)
    return changed


async def down(unit: Unit, messages: Sequence[Message]) -> Sequence[Message]:
    """Takes away what `up` finds again; what branches made stays."""
    changed = []
    for message in messages:
        if message.parent_id and not message.branch and message.parent_id == await _preceding(unit, message):
            message.parent_id = ""
            changed.append(message)
    return changed


async def validate(unit: Unit, message: Message) -> str:
    """What is wrong with a message."""
    if message.parent_id or message.branch or not await _preceding(unit, message):
        return ""
    return "it names no message that it follows"


async def _preceding(unit: Unit, message: Message) -> str:
    """The last message of the same model before it, empty where there is none: what it followed when none was named."""
    if message.question_id:
        return message.question_id
    query = Query.where(
        MESSAGES,
        order="position",
        descending=True,
        after=Cursor(message.position, message.id),
        limit=1,
        thread_id=message.thread_id,
        model_id=message.model_id,
    )
    conversation = await unit.find(CONVERSATIONS, message.thread_id) or Conversation()
    found = await unit.query(query)
    # Without branches all of them are on the first one: what precedes on another followed later.
    if not found or found[0].branch or is_removed(conversation, found[0]):
        return ""
    return found[0].id


MIGRATION = Migration(
    description="messages from before branches get the message that they follow",
    parts=(Backfill(MESSAGES, up=up, down=down, validate=validate),),
)
