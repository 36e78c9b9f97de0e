"""What threads ask of operations, and what becomes of operations when their thread goes."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ThreadDeleted, TitleWanted
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.documents.portions import read_portion
from libs.common.documents.tombstones import bury, is_alive
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS
from services.operations.operation import begin_operation, end, has_ended, save


async def want_title(unit: Unit, changes: Changes, event: TitleWanted) -> None:
    """Stages the operation that finds a title; there is one per thread, however often it is asked for.

    Nobody waits for it: its priority is low.

    There is none for a thread or a person that is gone by then.
    """
    id = f"{OPERATIONS.id_prefix}_title_{event.thread_id}"
    if await unit.find(OPERATIONS, id) is not None:
        return
    if not (await is_alive(unit, "thread", event.thread_id) and await is_alive(unit, "user", event.user_id)):
        return
    operation = Operation(
        id=id,
        type=operation_pb2.OPERATION_TYPE_GENERATE_TITLE,
        user_id=event.user_id,
        thread_id=event.thread_id,
        model_id=event.model_id,
        priority=operation_pb2.OPERATION_PRIORITY_LOW,
    )
    await begin_operation(unit, changes, operation)


async def release_thread(unit: Unit, changes: Changes, event: ThreadDeleted, *, first: bool) -> bool:
    """Stages one step of letting go of a deleted thread; False when more are left.

    The first step buries the thread, so that no operation is made for it any more. Of those that are there, what has
    not ended is cancelled; all lose the thread and stay for audit.
    """
    if first:
        await bury(unit, "thread", event.thread_id)
        return False
    portion = await read_portion(unit, Query.where(OPERATIONS, order="created_at", thread_id=event.thread_id))
    for operation in portion.documents:
        if not has_ended(operation):
            end(unit, operation, operation_pb2.OPERATION_STATUS_CANCELLED)
        operation.thread_id = ""
        save(unit, changes, operation)
    return portion.is_last
