"""What happens to operations because of their threads."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ThreadDeleted, TitleWanted
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.clock import timestamp
from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.operations.changes import Changes
from services.operations.collections import OPERATIONS
from services.operations.operation import end, has_ended, save

# Documents per commit: with their leases and journal entries far within what every engine takes.
_PAGE = 50


async def want_title(unit: Unit, changes: Changes, event: TitleWanted) -> None:
    """Stages the operation that finds a title; there is one per thread, however often it is asked for."""
    id = f"{OPERATIONS.id_prefix}_title_{event.thread_id}"
    if await unit.find(OPERATIONS, id) is not None:
        return
    operation = Operation(
        id=id,
        type=operation_pb2.OPERATION_TYPE_GENERATE_TITLE,
        user_id=event.user_id,
        thread_id=event.thread_id,
        model_id=event.model_id,
        status=operation_pb2.OPERATION_STATUS_PENDING,
        created_at=timestamp(unit.now),
    )
    save(unit, changes, operation)


async def release_thread(unit: Unit, changes: Changes, event: ThreadDeleted) -> bool:
    """Stages one page of the operations of a deleted thread; False when more are left.

    What has not ended is cancelled; all lose the thread and stay for audit.
    """
    query = Query.where(OPERATIONS, order="created_at", limit=_PAGE, thread_id=event.thread_id)
    operations = await unit.query(query)
    for operation in operations:
        if not has_ended(operation):
            end(unit, operation, operation_pb2.OPERATION_STATUS_CANCELLED)
        operation.thread_id = ""
        save(unit, changes, operation)
    return len(operations) < _PAGE
