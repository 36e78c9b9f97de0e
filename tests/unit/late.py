"""Work that is late: between its reading and its commit something else happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.inbox import Handler

T = TypeVar("T")


async def overtaken(
    documents: Documents, work: Callable[[Unit], Awaitable[T]], overtaking: Callable[[], Awaitable[None]]
) -> T:
    """What a unit of `work` gives whose first attempt is overtaken, before its commit, by `overtaking`."""
    waiting = [overtaking]

    async def late(unit: Unit) -> T:
        result = await work(unit)
        if waiting:
            await waiting.pop()()
        return result

    return await documents.unit(late)


async def handle(documents: Documents, handler: Handler, event: Message) -> None:
    """All steps of an event's handler, one commit each."""
    progress: str | None = ""
    while progress is not None:
        progress = await step(documents, handler, event, progress)


async def step(documents: Documents, handler: Handler, event: Message, progress: str) -> str | None:
    """One step of an event's handler and its commit."""
    return await documents.unit(lambda unit: handler(unit, event, progress))
