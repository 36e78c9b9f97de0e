"""Models whose answers are written outside, and those who write them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from grpc import aio
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_EXTERNAL, ModelConfig, ModelSpecs
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    AppendTokensResponse,
    ClaimAnswerRequest,
    ClaimAnswerResponse,
    EndAnswer,
    OpenAnswer,
    SendMessageRequest,
    StreamEvent,
    TokenBatch,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.crypto.tokens import Tokens
from services.catalog.collections import MODELS
from tests.integration.conftest import House, Person
from tests.integration.planting import plant

MODEL = "outside"

Appended = aio.StreamUnaryCall[AppendTokensRequest, AppendTokensResponse]


def model() -> ModelConfig:
    """One whose answers are written outside."""
    return ModelConfig(
        id=MODEL,
        name="Outside",
        provider=MODEL_PROVIDER_EXTERNAL,
        status={"is_available": True},
        specs=ModelSpecs(context_length=8000),
    )


async def plant_model(house: House) -> None:
    """Puts that model into the catalog."""
    await plant(house, "catalog", MODELS, model())


async def ask(
    person: Person, content: str = "?", **fields: object
) -> aio.UnaryStreamCall[SendMessageRequest, StreamEvent]:
    """The stream of an answer of that model, in a new thread where none is named."""
    if "thread_id" not in fields:
        fields["thread_id"] = (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id
    return person.messages.SendMessage(SendMessageRequest(model_id=MODEL, content=content, **fields))  # type: ignore[arg-type]


class Outsider:
    """Who writes answers by the bare RPCs, over a connection of their own."""

    def __init__(self, channel: aio.Channel, token: str, claimant: str) -> None:
        self._stub = MessagesServiceStub(channel)
        self._terms: Any = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 30}
        self.claimant = claimant

    async def claim(self, message_id: str = "", model_id: str = MODEL, seconds: float = 30) -> ClaimAnswerResponse:
        request = ClaimAnswerRequest(model_id=model_id, message_id=message_id, claimant=self.claimant)
        return await self._stub.ClaimAnswer(request, **self._terms | {"timeout": seconds})

    async def open(self, claim: ClaimAnswerResponse, after_seq: int | None = None) -> Appended:
        """A stream for an answer that was claimed."""
        call: Appended = self._stub.AppendTokens(**self._terms)
        seq = claim.seq if after_seq is None else after_seq
        opened = OpenAnswer(message_id=claim.message.id, generation=claim.generation, after_seq=seq)
        await call.write(AppendTokensRequest(open=opened))
        return call

    def steps(self, *steps: AppendTokensRequest) -> Appended:
        """A stream of just these."""
        call: Appended = self._stub.AppendTokens(iter(steps), **self._terms)
        return call


def tokens(*said: str) -> AppendTokensRequest:
    return AppendTokensRequest(tokens=TokenBatch(tokens=said))


def end(**fields: object) -> AppendTokensRequest:
    return AppendTokensRequest(end=EndAnswer(**fields))  # type: ignore[arg-type]


@asynccontextmanager
async def outsider(address: str, credentials: Tokens, claimant: str = "one") -> AsyncIterator[Outsider]:
    """Somebody with a generator's token, whose connection is cut when the context is left."""
    token, _ = credentials.issue_service("generator", "", False)
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with aio.insecure_channel(address, options) as channel:
        yield Outsider(channel, token, claimant)


def of_house(house: House, claimant: str = "one") -> AbstractAsyncContextManager[Outsider]:
    """Who writes answers of the house."""
    return outsider(house.address, house.process.tokens, claimant)
