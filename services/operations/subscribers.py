"""What the operations service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import ThreadDeleted, TitleWanted

from libs.common.documents.unit import Unit
from libs.common.events.inbox import Handler
from services.operations.cascades import release_thread, want_title
from services.operations.changes import Changes


def subscriptions(changes: Changes) -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def title_wanted(unit: Unit, event: Message, progress: str) -> str | None:
        await want_title(unit, changes, cast(TitleWanted, event))
        return None

    async def thread_deleted(unit: Unit, event: Message, progress: str) -> str | None:
        # What was released has left the index, so the next page begins where this one did.
        return None if await release_thread(unit, changes, cast(ThreadDeleted, event)) else "more"

    return {"thread.title_wanted": title_wanted, "thread.deleted": thread_deleted}
