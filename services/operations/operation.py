"""The rules of an operation, as its user meets them.

An operation that is another user's is NotFound, with the words of one that does not exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
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
from libs.common.errors import Precondition, Unavailable
from libs.common.store.port import Query
from services.operations.changes import Changes
from services.operations.collections import OPERATIONS

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
    documents: Documents, changes: Changes, caller: Caller, id: str, watchdog: float
) -> AsyncGenerator[Operation, None]:
    """The operation as it is, then as it is after each change, until it has ended.

    Changes come from this process; after `watchdog` seconds of silence the store is read, for those that did not.

    Raises:
        NotFound: there is no such operation of the caller's.
        Unavailable: this process is stopping: watch elsewhere.
    """
    with changes.watch(id) as news:
        operation: Operation | None = await read_owned(documents, OPERATIONS, caller, id)
        seen = 0
        while True:
            if operation is None:
                raise Unavailable("this replica is stopping: watch again", reason="STOPPING", retry_after=0.1)
            if int(operation.etag) > seen:
                seen = int(operation.etag)
                yield operation
                if has_ended(operation):
                    return
            try:
                async with asyncio.timeout(watchdog):
                    operation = await news.get()
            except TimeoutError:
                operation = await read_owned(documents, OPERATIONS, caller, id)


def has_ended(operation: Operation) -> bool:
    """Whether nothing will change it any more."""
    return operation.status in _ENDED


def end(unit: Unit, operation: Operation, status: operation_pb2.OperationStatus) -> None:
    """Puts `operation` at its end: whoever works on it loses the right to."""
    operation.status = status
    operation.completed_at.CopyFrom(timestamp(unit.now))
    if operation.HasField("error"):
        operation.error.ClearField("next_retry_at")
    unit.delete(LEASES, operation.id)


def save(unit: Unit, changes: Changes, operation: Operation) -> Operation:
    """Stages `operation` as it is now and tells of it once that is stored."""
    operation.updated_at.CopyFrom(timestamp(unit.now))
    unit.put(OPERATIONS, operation)
    unit.then(lambda: changes.publish(operation))
    return operation
