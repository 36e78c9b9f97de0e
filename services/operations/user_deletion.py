"""A person's deletion: the operation that shows how far it is, and what goes here."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import UserDeleted, UserDeletionAdvanced
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.clock import timestamp
from libs.common.documents.portions import read_portion
from libs.common.documents.tombstones import bury
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS
from services.operations.operation import end, has_ended, remove, save
from services.operations.removed import add_removed


async def track_deletion(unit: Unit, changes: Changes, user_id: str, operation_id: str) -> Operation:
    """The operation of a person's deletion, staged where it does not exist yet.

    It runs from the beginning and no worker takes it up: the acknowledgements of the services move it.
    """
    operation = await unit.find(OPERATIONS, operation_id)
    if operation is not None:
        return operation
    operation = Operation(
        id=operation_id,
        type=operation_pb2.OPERATION_TYPE_DELETE_USER,
        user_id=user_id,
        status=operation_pb2.OPERATION_STATUS_RUNNING,
        started_at=timestamp(unit.now),
        created_at=timestamp(unit.now),
    )
    return save(unit, changes, operation)


async def advance_deletion(unit: Unit, changes: Changes, event: UserDeletionAdvanced) -> None:
    """Stages how far the deletion is; never less than was shown before, and nothing after its end."""
    operation = await unit.find(OPERATIONS, event.operation_id)
    # None: nobody has asked for it yet. It is made before this service acknowledges, so the last event finds it.
    if operation is None or has_ended(operation):
        return
    services = len(event.done) + len(event.waiting_for)
    operation.progress = max(operation.progress, 100 * len(event.done) // services)
    if not event.waiting_for:
        end(unit, operation, operation_pb2.OPERATION_STATUS_COMPLETED)
        await add_removed(unit, users=1)
    save(unit, changes, operation)


async def remove_operations(unit: Unit, changes: Changes, event: UserDeleted, *, first: bool) -> bool:
    """Stages one step of the removal of a person's operations; False when more are left.

    The first step buries the person, so that none is made after it. What runs is ended. The operation of the deletion
    itself stays, for audit.
    """
    if first:
        await bury(unit, "user", event.user_id)
        await track_deletion(unit, changes, event.user_id, event.operation_id)
        return False
    portion = await read_portion(unit, Query.where(OPERATIONS, order="created_at", user_id=event.user_id))
    removed = [operation for operation in portion.documents if operation.id != event.operation_id]
    for operation in removed:
        remove(unit, changes, operation)
    if removed:
        await add_removed(unit, operations=len(removed))
    return portion.is_last
