"""Work that takes longer than a call, as its owner sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc.aio
from llmchat.operations.v1 import operations_service_pb2 as operations
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_PRIORITY_NORMAL,
    OPERATION_STATUS_PENDING,
    OPERATION_STATUS_RUNNING,
    Operation,
    OperationPriority,
    OperationType,
)

from libs.client.backoff import Backoff
from libs.client.calls import Calls, broken, new_request_id
from libs.client.connection import Connection
from libs.common.errors import DeadlineExceeded, DomainError, Unavailable
from libs.common.rpc.status import from_rpc_error

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub

_UNDER_WAY = (OPERATION_STATUS_PENDING, OPERATION_STATUS_RUNNING)


class Operations(Connection):
    """The caller's operations."""

    async def get_operation(self, id: str) -> Operation:
        """One operation."""
        return await self._calls.unary(self._operations.GetOperation, operations.GetOperationRequest(id=id))

    async def list_operations(self, *, thread_id: str = "", page_size: int = 0) -> AsyncIterator[Operation]:
        """The caller's operations, newest first, of all threads or of one."""
        request = operations.ListOperationsRequest(thread_id=thread_id, page_size=page_size)
        async for page in self._calls.pages(self._operations.ListOperations, request):
            for operation in page.operations:
                yield operation

    async def create_operation(
        self,
        type: OperationType,
        *,
        thread_id: str = "",
        model_id: str = "",
        priority: OperationPriority = OPERATION_PRIORITY_NORMAL,
    ) -> Operation:
        """Has work done in the background: a thread summed up or given a title, a model loaded.

        What is under way already is given in place of a second one. A high priority is for administrators.
        """
        request = operations.CreateOperationRequest(
            type=type, thread_id=thread_id, model_id=model_id, priority=priority, request_id=new_request_id()
        )
        return await self._calls.unary(self._operations.CreateOperation, request)

    async def retry_operation(self, id: str) -> Operation:
        """Has a failed operation done after all, with all its time and tries."""
        request = operations.RetryOperationRequest(id=id, request_id=new_request_id())
        return await self._calls.unary(self._operations.RetryOperation, request)

    async def cancel_operation(self, id: str) -> Operation:
        """Ends an operation; one that has ended stays as it is."""
        request = operations.CancelOperationRequest(id=id, request_id=new_request_id())
        return await self._calls.unary(self._operations.CancelOperation, request)

    def watch_operation(self, id: str) -> AsyncIterator[Operation]:
        """The operation as it is, then after each change, until it has ended; a broken watch is opened again."""
        return watch_operation(self._calls, self._operations, id, self._patience)


async def watch_operation(
    calls: Calls, stub: OperationsServiceAsyncStub, id: str, patience: float
) -> AsyncIterator[Operation]:
    """See `Operations.watch_operation`; a broken watch is tried again for `patience` seconds."""
    backoff = Backoff(patience)
    seen: Operation | None = None
    while seen is None or seen.status in _UNDER_WAY:
        watch = calls.stream(stub.WatchOperation, operations.WatchOperationRequest(id=id))
        failure: DomainError = Unavailable("the watch closed before the operation ended")
        try:
            async for operation in watch:
                backoff.restart()
                if operation != seen:
                    seen = operation
                    yield operation
        except (Unavailable, DeadlineExceeded) as error:
            failure = error
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
            if not broken(error):
                raise failure from error
        finally:
            watch.cancel()
        if (seen is None or seen.status in _UNDER_WAY) and not await backoff.pause():
            raise failure
