"""What becomes of threads when their person is deleted or a model is deprecated. All of it goes in steps."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ModelDeprecated, UserDataRemoved, UserDeleted
from llmchat.threads.v1.thread_pb2 import MODEL_USAGE_STATUS_ARCHIVED, Thread

from libs.common.documents.portions import read_portion
from libs.common.documents.tombstones import bury, living_successor
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.threads.collections import THREADS
from services.threads.removal import remove
from services.threads.thread import save

# Begins the progress that names the last thread that was looked at.
_AFTER = "after "


async def remove_threads(unit: Unit, changes: Changes, outbox: Outbox, event: UserDeleted, progress: str) -> str | None:
    """Stages one step of the removal of a person's threads; where to go on, None at the end.

    The first step buries the person, so that no thread of theirs is made after it; the last tells how many there were.
    """
    if not progress:
        await bury(unit, "user", event.user_id)
        return "0"
    portion = await read_portion(unit, Query.where(THREADS, order="rank", user_id=event.user_id))
    for thread in portion.documents:
        await remove(unit, changes, thread)
    removed = int(progress) + len(portion.documents)
    if not portion.is_last:
        return str(removed)
    outbox.emit(unit, "user.data_removed", event.operation_id, UserDataRemoved(service="threads", threads=removed))
    return None


async def leave_model(unit: Unit, changes: Changes, event: ModelDeprecated, progress: str) -> str | None:
    """Stages one step of moving threads from a deprecated model to another; where to go on, None at the end.

    The first step buries the model, so that it becomes active in no thread any more; the others go through the threads
    by id. That is no activity of theirs: `updated_at` stays.
    """
    if not progress:
        await bury(unit, "model", event.model_id, successor_id=event.replacement_id)
        return _AFTER
    portion = await read_portion(unit, Query.by_id(THREADS, after=progress.removeprefix(_AFTER)))
    active = [thread for thread in portion.documents if event.model_id in thread.active_models]
    if active:
        successor = await living_successor(unit, "model", event.model_id)
        for thread in active:
            thread.models[event.model_id].status = MODEL_USAGE_STATUS_ARCHIVED
            _replace_active(thread, event.model_id, successor)
            save(unit, changes, thread)
    return None if portion.is_last else _AFTER + portion.documents[-1].id


def _replace_active(thread: Thread, model_id: str, successor: str) -> None:
    replaced = (successor if active == model_id else active for active in thread.active_models)
    thread.active_models[:] = list(dict.fromkeys(filter(None, replaced)))
