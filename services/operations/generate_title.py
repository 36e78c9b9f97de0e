"""The operation that finds a title: a model suggests one of the thread's first exchange, and the thread takes it."""

from __future__ import annotations

from llmchat.messages.v1.messages_service_pb2 import SuggestTitleRequest
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult
from llmchat.threads.v1.threads_service_pb2 import SetGeneratedTitleRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.rpc.channels import Channels
from services.operations.worker import Report, Work


def title_generation(channels: Channels) -> Work:
    """The work of `OPERATION_TYPE_GENERATE_TITLE`. Repeating it is harmless: a thread that has a title keeps it."""
    messages = channels.stub("messages", MessagesServiceStub)
    threads = channels.stub("threads", ThreadsServiceStub)

    async def generate_title(operation: Operation, report: Report) -> OperationResult:
        asked = SuggestTitleRequest(thread_id=operation.thread_id, model_id=operation.model_id)
        suggestion = await messages.SuggestTitle(asked)
        await report(50)
        thread = await threads.SetGeneratedTitle(
            SetGeneratedTitleRequest(id=operation.thread_id, title=suggestion.title)
        )
        return OperationResult(title=thread.title, tokens_used=suggestion.tokens_used, model_used=operation.model_id)

    return generate_title
