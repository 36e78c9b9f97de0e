"""The one way to remove a thread: with what points to it here, and, alone, with the event by which the rest follows."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.tombstones import bury
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.threads.collections import TEMPORARY_THREADS, THREADS
from services.threads.shares import withdraw


async def delete(unit: Unit, changes: Changes, outbox: Outbox, thread: Thread) -> None:
    """Stages the removal, and the event by which all that hangs on the thread goes too.

    One that was imported is buried: imported again, it becomes another one.
    """
    await remove(unit, changes, thread)
    if thread.imported_from:
        await bury(unit, "thread", thread.id)
    outbox.emit(unit, "thread.deleted", thread.id, ThreadDeleted(thread_id=thread.id, user_id=thread.user_id))


async def remove(unit: Unit, changes: Changes, thread: Thread) -> None:
    """Stages the removal without a word to other services, and has the owner's watchers told."""
    changes.tell(unit, thread.user_id, thread.id)
    await withdraw(unit, thread)
    if thread.HasField("expires_at") and await unit.find(TEMPORARY_THREADS, thread.id) is not None:
        unit.delete(TEMPORARY_THREADS, thread.id)
    unit.delete(THREADS, thread.id)
