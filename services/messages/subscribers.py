"""What the messages service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import RemovalWanted, ThreadDeleted, UserDeleted

from libs.common.documents.unit import Unit
from libs.common.events.inbox import Handler
from libs.common.events.outbox import Outbox
from services.messages.cascades import remove_conversations, remove_thread
from services.messages.deleting import remove_deleted
from services.messages.generations import Generations


def subscriptions(generations: Generations, outbox: Outbox) -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def thread_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        return await remove_thread(unit, generations, outbox, cast(ThreadDeleted, event), progress)

    async def removal_wanted(unit: Unit, event: Message, progress: str) -> str | None:
        return await remove_deleted(unit, generations, outbox, cast(RemovalWanted, event), progress)

    async def user_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        return await remove_conversations(unit, generations, outbox, cast(UserDeleted, event), progress)

    return {
        "message.removal_wanted": removal_wanted,
        "thread.deleted": thread_deleted,
        "user.deleted": user_deleted,
    }
