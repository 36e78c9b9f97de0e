"""When an operation is tried again, and when it is given up."""

from __future__ import annotations

import random

from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import DomainError, Unavailable
from libs.common.events.changes import Changes
from services.operations.collections import OPERATIONS
from services.operations.operation import end, save
from services.operations.settings import OperationsSettings

_LONGEST_PAUSE = 60.0


def postpone(unit: Unit, operation: Operation, error: DomainError, settings: OperationsSettings) -> None:
    """Has `operation` wait for a retry: exponential backoff with jitter, or as long as `error` asks for.

    One that has no retry left, or none within its time, has failed.
    """
    retries = operation.error.retry_count
    backoff = min(_LONGEST_PAUSE, settings.operation_retry_delay * 2.0**retries)
    asked: float = getattr(error, "retry_after", None) or 0.0
    pause = max(backoff * random.uniform(0.5, 1.0), asked)  # noqa: S311 # jitter, not a secret
    next_retry_at = unit.now + int(pause * 1000)
    if retries >= settings.operation_retries or next_retry_at >= milliseconds(operation.timeout_at):
        end_failed(unit, operation, error)
        return
    _wait(unit, operation, error)
    operation.error.next_retry_at.CopyFrom(timestamp(next_retry_at))


async def take_back(unit: Unit, changes: Changes, settings: OperationsSettings, id: str, *, exclusive: bool) -> None:
    """Has a running operation whose worker is dead wait to be taken up again, at once and with all of its time.

    The interruption counts as a retry, so that an operation that kills its process does not do so for ever.
    `exclusive`: no other process works on this store, so a worker's lease does not show that it lives.
    """
    operation = await unit.find(OPERATIONS, id)
    if operation is None or operation.status != operation_pb2.OPERATION_STATUS_RUNNING:
        return
    lease = await unit.find(LEASES, id)
    if lease is not None and milliseconds(lease.expires_at) > unit.now and not exclusive:
        return
    error = Unavailable("the process that worked on it ended", reason="INTERRUPTED")
    if operation.error.retry_count >= settings.operation_retries:
        end_failed(unit, operation, error)
    else:
        _wait(unit, operation, error)
        operation.ClearField("timeout_at")
    save(unit, changes, operation)


def end_failed(unit: Unit, operation: Operation, error: DomainError) -> None:
    """Puts `operation` at its end because of `error`."""
    _note(operation, error)
    end(unit, operation, operation_pb2.OPERATION_STATUS_FAILED)


def _wait(unit: Unit, operation: Operation, error: DomainError) -> None:
    _note(operation, error)
    operation.error.retry_count += 1
    operation.status = operation_pb2.OPERATION_STATUS_PENDING
    unit.delete(LEASES, operation.id)


def _note(operation: Operation, error: DomainError) -> None:
    operation.error.code = error.reason
    operation.error.message = error.text
