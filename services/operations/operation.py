"""The rules of an operation, as its user meets them.

An operation that is another user's is NotFound, with the words of one that does not exist.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest

from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.pages import Page
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from libs.common.events.changes import Changes
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS
from services.operations.unended import find_unended, mark_ended, mark_unended, subject_of

# What the workers of all replicas watch: operations that are due, and those that nobody is to work on any more.
WORKERS = "workers"

_PAGE_SIZE = 20
_ENDED = (
    operation_pb2.OPERATION_STATUS_COMPLETED,
    operation_pb2.OPERATION_STATUS_FAILED,
    operation_pb2.OPERATION_STATUS_CANCELLED,
)


async def list_operations(documents: Documents, caller: Caller, request: ListOperationsRequest) -> Page[Operation]:
    """A page of the caller's operations, newest first.

    Raises:
        Invalid: the page token is not one that this list gave this caller.
    """
    equals: dict[str, Any] = {"user_id": caller.user_id}
    if request.thread_id:
        equals["thread_id"] = request.thread_id
    size = request.page_size or _PAGE_SIZE
    query = Query.where(OPERATIONS, order="created_at", descending=True, limit=size, **equals)
    return await documents.page(query, request.page_token, count=request.count_total)


async def begin_operation(unit: Unit, changes: Changes, operation: Operation) -> Operation:
    """Stages a new operation, to be taken up by a worker; an unended one about the same is given in its place."""
    if unended := await find_unended(unit, operation):
        return await unit.get(OPERATIONS, unended)
    operation.status = operation_pb2.OPERATION_STATUS_PENDING
    operation.created_at.CopyFrom(timestamp(unit.now))
    mark_unended(unit, operation)
    return save(unit, changes, unit.create(OPERATIONS, operation))


def begin_again(unit: Unit, changes: Changes, operation: Operation) -> Operation:
    """Stages that a failed operation, about which no unended one is, waits once more with all its time and tries.

    Its error stays until it ends well.
    """
    operation.status = operation_pb2.OPERATION_STATUS_PENDING
    operation.ClearField("completed_at")
    operation.ClearField("timeout_at")
    operation.error.retry_count = 0
    mark_unended(unit, operation)
    return save(unit, changes, operation)


async def cancel_operation(unit: Unit, changes: Changes, caller: Caller, id: str) -> Operation:
    """Stages the end of an operation; one that has ended stays as it is.

    Raises:
        NotFound: there is no such operation of the caller's.
        Precondition: it is the caller's own deletion, which nothing takes back (reason NOT_CANCELLABLE).
    """
    operation = await read_owned(unit, OPERATIONS, caller, id)
    if has_ended(operation):
        return operation
    if operation.type == operation_pb2.OPERATION_TYPE_DELETE_USER:
        raise Precondition("the deletion of an account cannot be taken back", reason="NOT_CANCELLABLE")
    end(unit, operation, operation_pb2.OPERATION_STATUS_CANCELLED)
    return save(unit, changes, operation)


async def watch_operation(
    documents: Documents, changes: Changes, caller: Caller, id: str
) -> AsyncGenerator[Operation, None]:
    """The caller's operation, or for an administrator anyone's, as it is, then as it is after each change, until it has
    ended.

    Each revision is told once at most, in order. Quick changes may be told as the last of them, and the end always is.

    Raises:
        NotFound: there is none, or not any more, or it is another person's.
        Unavailable: this process is stopping: watch elsewhere.
    """
    told = 0
    async with changes.watch(id) as hints:
        async for _ in hints:
            operation = await read_owned(documents, OPERATIONS, caller, id, admins=True)
            if int(operation.etag) > told:
                told = int(operation.etag)
                yield operation
                if has_ended(operation):
                    return


def has_ended(operation: Operation) -> bool:
    """Whether nothing will change it any more."""
    return operation.status in _ENDED


def end(unit: Unit, operation: Operation, status: operation_pb2.OperationStatus) -> None:
    """Puts `operation` at its end: whoever works on it loses the right to. What it is about must still be in it."""
    operation.status = status
    operation.completed_at.CopyFrom(timestamp(unit.now))
    if operation.HasField("error"):
        operation.error.ClearField("next_retry_at")
    _let_go(unit, operation)


def save(unit: Unit, changes: Changes, operation: Operation) -> Operation:
    """Stages `operation` as it is now and has watchers and workers told. The one way to write an operation."""
    operation.updated_at.CopyFrom(timestamp(unit.now))
    changes.tell(unit, operation.id, operation.id)
    if operation.status in (operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_CANCELLED):
        changes.tell(unit, WORKERS, operation.id)
    return unit.put(OPERATIONS, operation)


def remove(unit: Unit, changes: Changes, operation: Operation) -> None:
    """Stages the removal of `operation` and has watchers and workers told. The one way to remove an operation."""
    changes.tell(unit, operation.id, operation.id)
    changes.tell(unit, WORKERS, operation.id)
    unit.delete(OPERATIONS, operation.id)
    _let_go(unit, operation)


def _let_go(unit: Unit, operation: Operation) -> None:
    unit.delete(LEASES, operation.id)
    unit.first(partial(mark_ended, unit, subject_of(operation), operation.id))
