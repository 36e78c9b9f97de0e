"""One attempt at an operation: it begins by a lease, and only its holder may write how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult
from ulid import ULID

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.leases import renew_lease, take_lease
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, DeadlineExceeded, DomainError, Exhausted, NotFound, Unavailable
from libs.common.events.changes import Changes
from services.operations.collections import OPERATIONS
from services.operations.operation import end, save
from services.operations.retries import end_failed, postpone
from services.operations.settings import OperationsSettings

_TRANSIENT = (Unavailable, Exhausted, DeadlineExceeded, Contended)


class Attempt:
    """The attempt of one worker at one operation. What it writes after it has lost its lease is dropped."""

    def __init__(
        self, documents: Documents, changes: Changes, settings: OperationsSettings, holder: str, operation_id: str
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._settings = settings
        self._holder = holder
        self._operation_id = operation_id
        self._id = str(ULID()).lower()

    async def begin(self) -> Operation | None:
        """The operation, now running; None when it is not waiting any more or another worker has it.

        Its time runs from its first attempt. Time in which no worker could take it up does not count.
        """

        async def work(unit: Unit) -> Operation | None:
            operation = await unit.find(OPERATIONS, self._operation_id)
            if operation is None or operation.status != operation_pb2.OPERATION_STATUS_PENDING:
                return None
            lease = self._settings.operation_lease
            if not await take_lease(unit, operation.id, self._holder, self._id, lease):
                return None
            operation.status = operation_pb2.OPERATION_STATUS_RUNNING
            operation.progress = 0
            if not operation.HasField("started_at"):
                operation.started_at.CopyFrom(timestamp(unit.now))
            if milliseconds(operation.timeout_at) <= unit.now:
                seconds = self._settings.timeout_of(operation.type)
                operation.timeout_at.CopyFrom(timestamp(unit.now + int(seconds * 1000)))
            if operation.HasField("error"):
                operation.error.ClearField("next_retry_at")
            return save(unit, self._changes, operation)

        return await self._documents.unit(work)

    async def keep(self, lost: Callable[[], object]) -> None:
        """Renews the lease until cancelled; calls `lost` and returns once it is another's or none."""

        async def renew(unit: Unit) -> bool:
            return await renew_lease(unit, self._operation_id, self._id, self._settings.operation_lease)

        while True:
            await asyncio.sleep(self._settings.operation_lease / 3)
            try:
                if not await self._documents.unit(renew):
                    lost()
                    return
            except (Unavailable, Contended):
                # The lease outlasts a renewal that was missed.
                continue

    async def report(self, percent: int, place: Mapping[str, str | int] | None = None) -> None:
        """Stores how far the operation is, and with `place` where another attempt is to go on: in `result.data`.

        One that has got to a new place has all its tries before it again.
        """

        def change(unit: Unit, operation: Operation) -> None:
            operation.progress = percent
            if place is not None:
                operation.result.data.Clear()
                operation.result.data.update(place)
                operation.ClearField("error")

        await self._change(change)

    async def complete(self, result: OperationResult) -> None:
        """Stores the result."""

        def change(unit: Unit, operation: Operation) -> None:
            operation.result.CopyFrom(result)
            operation.progress = 100
            operation.ClearField("error")
            end(unit, operation, operation_pb2.OPERATION_STATUS_COMPLETED)

        await self._change(change)

    async def fail(self, error: DomainError) -> None:
        """Stores that the attempt failed: what may pass is tried again later, all else is the operation's end.

        An operation whose thread is gone is cancelled and loses the thread, as by the thread's deletion.
        """

        def change(unit: Unit, operation: Operation) -> None:
            if isinstance(error, NotFound) and error.metadata["id"] == operation.thread_id:
                end(unit, operation, operation_pb2.OPERATION_STATUS_CANCELLED)
                operation.thread_id = ""
            elif isinstance(error, _TRANSIENT):
                postpone(unit, operation, error, self._settings)
            else:
                end_failed(unit, operation, error)

        await self._change(change)

    async def _change(self, change: Callable[[Unit, Operation], None]) -> None:
        async def work(unit: Unit) -> None:
            lease = await unit.find(LEASES, self._operation_id)
            if lease is None or lease.attempt != self._id:
                return
            operation = await unit.get(OPERATIONS, self._operation_id)
            change(unit, operation)
            save(unit, self._changes, operation)

        await self._documents.unit(work)
