"""The operation that has a model on this machine fetched and loaded, and the catalog see that it is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, GetProviderHealthRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2 import PullModelRequest, PullModelResponse
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult

from libs.common.rpc.channels import Channels
from services.operations.asking import limit_the_next_call
from services.operations.worker import Report, Work


def model_loading(channels: Channels) -> Work:
    """The work of `OPERATION_TYPE_LOAD_MODEL`. What has been fetched is not fetched again.

    The fetching follows its reader: with the end of the work, a cancel among others, the stream is closed.
    """
    messages = channels.stub("messages", MessagesServiceStub)
    catalog = channels.stub("catalog", CatalogServiceStub)

    async def load_model(operation: Operation, report: Report) -> OperationResult:
        request = PullModelRequest(model_id=operation.model_id)
        # A stub of `Channels` gives a generator, which the type of gRPC's own does not say.
        answers = cast("AsyncGenerator[PullModelResponse, None]", messages.PullModel(request))
        reported = 0
        async with aclosing(answers) as steps:
            async for step in steps:
                # It is at its end only once the catalog has seen it.
                percent = min(step.progress, 99)
                if percent > reported:
                    reported = percent
                    await report(percent)
        limit_the_next_call()
        model = await catalog.GetModel(GetModelRequest(id=operation.model_id))
        limit_the_next_call()
        await catalog.GetProviderHealth(GetProviderHealthRequest(provider=model.provider, now=True))
        return OperationResult(model_used=operation.model_id)

    return load_model
