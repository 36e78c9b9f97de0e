"""What is due, by priority."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.clock import milliseconds
from libs.common.documents.documents import Documents
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS

# The higher first. What is stored without a priority counts as normal.
_PRIORITIES = (
    (operation_pb2.OPERATION_PRIORITY_HIGH,),
    (operation_pb2.OPERATION_PRIORITY_NORMAL, operation_pb2.OPERATION_PRIORITY_UNSPECIFIED),
    (operation_pb2.OPERATION_PRIORITY_LOW,),
)
# The priorities, by their places above, that go first at each of eight turns; the others follow, the higher first.
_TURNS = (0, 0, 0, 1, 0, 0, 0, 2)


async def read_due(documents: Documents, limit: int) -> list[list[Operation]]:
    """For each priority, the higher first, what waits and is due: at most `limit`, the longest due first.

    What waits for no retry stands before what waited for one.
    """
    return [await _of(documents, priorities, limit) for priorities in _PRIORITIES]


def in_turn(due: Sequence[Sequence[Operation]], begun: int) -> list[Operation]:
    """All of `due` in the order in which a process that has begun `begun` operations begins them.

    The higher priority goes first, but of eight operations one is of normal priority and one of low, where such are
    due: what is above delays them and never keeps them from their turn.
    """
    waiting = [deque(operations) for operations in due]
    ordered: list[Operation] = []
    while any(waiting):
        preferred = waiting[_TURNS[(begun + len(ordered)) % len(_TURNS)]]
        ordered.append((preferred or next(filter(None, waiting))).popleft())
    return ordered


async def _of(
    documents: Documents, priorities: Sequence[operation_pb2.OperationPriority], limit: int
) -> list[Operation]:
    found: list[Operation] = []
    for priority in priorities:
        waiting = Query.where(
            OPERATIONS,
            order="error.next_retry_at",
            limit=limit,
            status=operation_pb2.OPERATION_STATUS_PENDING,
            priority=priority,
        )
        found += await documents.query(waiting)
    now = documents.clock()
    due = [operation for operation in found if milliseconds(operation.error.next_retry_at) <= now]
    return sorted(due, key=lambda operation: (milliseconds(operation.error.next_retry_at), operation.id))[:limit]
