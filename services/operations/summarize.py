"""The operation that sums a thread up: a model does so with what its context has no room for, and the thread hears."""

from __future__ import annotations

import hashlib

from llmchat.events.v1.events_pb2 import SummaryWanted
from llmchat.messages.v1.messages_service_pb2 import SummarizeRequest
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult

from libs.common.documents.tombstones import is_alive
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.rpc.channels import Channels
from services.operations.collections import OPERATIONS
from services.operations.operation import begin_operation
from services.operations.worker import Report, Work

# The last message that is to be in the summary; one that a person asks for tells of everything.
_UNTIL = "until_position"


async def want_summary(unit: Unit, changes: Changes, event: SummaryWanted) -> None:
    """Stages the operation that makes a summary; there is one for a thread, a model and a position, however often it is
    asked for, and none beside another one for the same thread and model that is under way: that tells of both.

    Nobody waits for it: its priority is low. There is none for a thread or a person that is gone by then.
    """
    subject = f"{event.thread_id}.{event.model_id}.{event.until_position}"
    id = f"{OPERATIONS.id_prefix}_summary_{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
    if await unit.find(OPERATIONS, id) is not None:
        return
    if not (await is_alive(unit, "thread", event.thread_id) and await is_alive(unit, "user", event.user_id)):
        return
    operation = Operation(
        id=id,
        type=operation_pb2.OPERATION_TYPE_SUMMARIZE,
        user_id=event.user_id,
        thread_id=event.thread_id,
        model_id=event.model_id,
        priority=operation_pb2.OPERATION_PRIORITY_LOW,
    )
    operation.parameters[_UNTIL] = event.until_position
    await begin_operation(unit, changes, operation)


def summarization(channels: Channels) -> Work:
    """The work of `OPERATION_TYPE_SUMMARIZE`. Repeating it is harmless: what there is a summary of stays summed up."""
    messages = channels.stub("messages", MessagesServiceStub)

    async def summarize(operation: Operation, report: Report) -> OperationResult:
        until = int(operation.parameters.fields[_UNTIL].number_value) if _UNTIL in operation.parameters else 0
        asked = SummarizeRequest(thread_id=operation.thread_id, model_id=operation.model_id, until_position=until)
        made = await messages.Summarize(asked)
        return OperationResult(summary=made.summary, tokens_used=made.tokens_used, model_used=operation.model_id)

    return summarize
