"""A stand-in for the messages service as the catalog sees it: it is asked how makers of models are, and says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from llmchat.catalog.v1.model_config_pb2 import ModelProvider
from llmchat.messages.v1 import messages_service_pb2_grpc
from llmchat.messages.v1.messages_service_pb2 import CheckProviderRequest, CheckProviderResponse

Context = grpc.aio.ServicerContext[object, object]


class StandInMakers(messages_service_pb2_grpc.MessagesServiceServicer):
    """Makers that are as a test says; one that it says nothing of is not configured.

    Attributes:
        address: Where it is served.
        answers: What is said of each maker.
        away: Whether the messages service itself is.
        asked: How often each was asked for.
    """

    def __init__(self) -> None:
        self.address = ""
        self.answers: dict[ModelProvider, CheckProviderResponse] = {}
        self.away = False
        self.asked: Counter[ModelProvider] = Counter()

    def answer(self, maker: ModelProvider, *models: str, latency_ms: float = 100, error: str = "") -> None:
        """What is said of a maker from here on."""
        self.answers[maker] = CheckProviderResponse(
            is_configured=True, latency_ms=0 if error else latency_ms, error=error, models=models
        )

    async def CheckProvider(self, request: CheckProviderRequest, context: Context) -> CheckProviderResponse:
        self.asked[request.provider] += 1
        if self.away:
            await context.abort(grpc.StatusCode.INTERNAL, "a bug")
        return self.answers.get(request.provider, CheckProviderResponse())


@asynccontextmanager
async def serve_makers() -> AsyncIterator[StandInMakers]:
    """Serves the stand-in on a free port."""
    makers = StandInMakers()  # type: ignore[abstract] # nothing else is asked of it
    server = grpc.aio.server()
    messages_service_pb2_grpc.add_MessagesServiceServicer_to_server(makers, server)
    makers.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield makers
    finally:
        await server.stop(None)
