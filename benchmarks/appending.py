"""What an answer from outside costs: a token a message through AppendTokens, stored, against bare streams."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from grpc import aio
from llmchat.catalog.v1.catalog_service_pb2 import UpsertModelRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_EXTERNAL, ModelConfig, ModelSpecs
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    ClaimAnswerRequest,
    EndAnswer,
    OpenAnswer,
    SendMessageRequest,
    TokenBatch,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub

from benchmarks.house import MESSAGES_SERVICE, USER, create_threads
from benchmarks.load import Client, Target
from benchmarks.options import Options
from benchmarks.report import Report, Row, spread
from benchmarks.server import BARE, Server, serving

_STREAMS = (1, 20)
_TOKENS = 8_000
_ROUNDS = 5
_MODEL = "outside"
_TOKEN = AppendTokensRequest(tokens=TokenBatch(tokens=[" word"])).SerializeToString()
_END = AppendTokensRequest(end=EndAnswer()).SerializeToString()


@dataclass(frozen=True, slots=True)
class _Speed:
    """One round: messages a second over all streams, and what one costs the server."""

    per_second: float
    cpu_microseconds: float


def measure(report: Report, options: Options) -> None:
    """The same messages through both, round by round."""
    report.begin(f"8. Appending: streams of {_TOKENS:,} messages with a token each")
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch)) as server, Client() as client:
        asyncio.run(_put_model(server))
        for streams in _STREAMS:
            appended: list[_Speed] = []
            bare: list[_Speed] = []
            for number in range(options.rounds(_ROUNDS)):
                # Whichever comes second finds the machine as the first has left it.
                for is_bare in (False, True) if number % 2 else (True, False):
                    # A claim is good for ten seconds.
                    opened = asyncio.run(_claim(server, create_threads(client, server, streams)))
                    (bare if is_bare else appended).append(_round(client, server, opened, is_bare=is_bare))
            ratio = median(a.per_second / b.per_second for a, b in zip(appended, bare, strict=True))
            baseline = f"bare grpc.aio streams that parse the same messages: {_told(bare)}"
            report.add(Row(f"AppendTokens, stored; streams: {streams}", _told(appended), baseline, ratio, "≥ 0.85"))


def _round(client: Client, server: Server, opened: list[bytes], *, is_bare: bool) -> _Speed:
    method = f"/{BARE}/Take" if is_bare else f"{MESSAGES_SERVICE}/AppendTokens"
    before = server.usage().cpu_seconds
    seconds = client.sent(
        Target(server.address, method, server.service_metadata("generator")), opened, _TOKEN, _TOKENS, _END
    )
    used = server.usage().cpu_seconds - before
    messages = len(opened) * _TOKENS
    return _Speed(messages / seconds, used / messages * 1e6)


async def _put_model(server: Server) -> None:
    model = ModelConfig(
        id=_MODEL,
        name="Outside",
        provider=MODEL_PROVIDER_EXTERNAL,
        status={"is_available": True},
        specs=ModelSpecs(context_length=8000),
    )
    async with aio.insecure_channel(server.address) as channel:
        await CatalogServiceStub(channel).UpsertModel(
            UpsertModelRequest(model=model), metadata=server.metadata("operator", is_admin=True)
        )


async def _claim(server: Server, thread_ids: list[str]) -> list[bytes]:
    """A question in each of the threads, whose answer is claimed; what opens their streams."""
    opened = []
    async with aio.insecure_channel(server.address) as channel:
        messages = MessagesServiceStub(channel)
        for thread_id in thread_ids:
            question = SendMessageRequest(thread_id=thread_id, model_id=_MODEL, content="How are you today?")
            stream = messages.SendMessage(question, metadata=server.metadata(USER))
            await stream.read()
            stream.cancel()
        for _ in thread_ids:
            claimed = await messages.ClaimAnswer(
                ClaimAnswerRequest(model_id=_MODEL, claimant="bench"), metadata=server.service_metadata("generator")
            )
            opening = OpenAnswer(message_id=claimed.message.id, generation=claimed.generation)
            opened.append(AppendTokensRequest(open=opening).SerializeToString())
    return opened


def _told(rounds: list[_Speed]) -> str:
    cpu = median(speed.cpu_microseconds for speed in rounds)
    return f"{spread([speed.per_second for speed in rounds])} tokens/s, {cpu:.0f} µs of server CPU a token"
