"""How long a token takes from its model to a reader, on the replica that generates and on another one."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median, quantiles
from unittest.mock import patch

import redis.asyncio
from grpc import aio
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest, StreamEvent, StreamTokensRequest
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from benchmarks.options import Options
from benchmarks.report import Report, Row, shown
from benchmarks.server import LIMITS
from libs.client.redis_process import redis_serving
from libs.common.crypto.keys import KeyRing, SecretKey
from libs.common.crypto.tokens import Tokens
from libs.common.logs import configure_logging
from libs.common.opening import open_process
from libs.common.settings import SERVICES, Settings, address_setting
from services.__main__ import EMBEDDED
from services.messages.providers.echo import EchoProvider
from services.messages.providers.port import Prompt, Usage

STREAMS = 10
PACE = 50
_SECONDS = 10
_USER = "user_bench"
_CHANNEL = "bench"
_STOP_SECONDS = 30


def measure(report: Report, options: Options) -> None:
    """Tokens of several paced streams, each with a reader on both replicas, beside a bare Redis hop at their rate."""
    report.begin(f"5. Delivery: {STREAMS} streams of {PACE} tokens/s, from the model to a reader")
    asyncio.run(_measure(report, round(options.seconds(_SECONDS) * PACE)))


async def _measure(report: Report, tokens: int) -> None:
    key = secrets.token_bytes(32)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as replicas:
        async with redis_serving() as bus:
            hop = await _bare_hop(bus.url, tokens)
            environment = {
                "LLMCHAT_STORE_URL": f"sqlite:///{folder}/data",
                "LLMCHAT_BUS_URL": bus.url,
                "LLMCHAT_SECRET_KEY": base64.b64encode(key).decode(),
                "LLMCHAT_LISTEN": "127.0.0.1:0",
                "LLMCHAT_STOP_GRACE": "0.2",
                "LLMCHAT_LIMITS": LIMITS,
            }
            writer = replicas.enter_context(_replica(environment, SERVICES))
            environment |= {address_setting(name): writer for name in SERVICES}
            other = replicas.enter_context(_replica(environment, ("messages",)))
            here, there = await _read(KeyRing((SecretKey(key),)), writer, other, tokens)
            replicas.close()
    for where, latencies in (("on another replica", there), ("on the same replica", here)):
        report.add(
            Row(
                f"A token, from its model to a reader {where}, p50 / p99",
                f"{_told(latencies)}, stored in between",
                f"bare Redis publish to subscriber, at the same rate: {_told(hop)}",
                median(latencies) / median(hop),
            )
        )


@contextmanager
def _replica(environment: dict[str, str], services: Sequence[str]) -> Iterator[str]:
    """A process that serves `services`; its address."""
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(environment, tuple(services), theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(_STOP_SECONDS)


def _serve(environment: dict[str, str], services: tuple[str, ...], connection: Connection) -> None:
    os.environ.update(environment)
    configure_logging("ERROR", "text")
    with patch.object(EchoProvider, "stream", _stamped):
        asyncio.run(_serve_until_closed(services, connection))


async def _serve_until_closed(services: tuple[str, ...], connection: Connection) -> None:
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(connection.fileno(), closed.set)
    async with open_process(Settings(), {name: EMBEDDED[name] for name in services}) as process:
        connection.send(process.server.address)
        await closed.wait()


async def _stamped(provider: EchoProvider, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
    """A stand-in for a model: each token tells the moment at which it was made. The question is how many."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(int(prompt.turns[-1].text)):
        due += 1 / PACE
        await asyncio.sleep(max(0, due - loop.time()))
        yield f"{time.monotonic_ns()} "


async def _read(key: KeyRing, writer: str, other: str, tokens: int) -> tuple[list[float], list[float]]:
    """Milliseconds that each token took to the reader on the writing replica, and to the one on the other."""
    token, _ = Tokens(key.derive("tokens")).issue_user(_USER, False)
    metadata = (("authorization", f"Bearer {token}"),)
    here: list[float] = []
    there: list[float] = []
    async with aio.insecure_channel(writer) as first, aio.insecure_channel(other) as second:
        threads = ThreadsServiceStub(first)

        async def stream() -> None:
            thread = await threads.CreateThread(CreateThreadRequest(title="a"), metadata=metadata)
            request = SendMessageRequest(thread_id=thread.id, model_id="echo", content=str(tokens))
            sent = aiter(MessagesServiceStub(first).SendMessage(request, metadata=metadata))
            started = await anext(sent)
            follow = StreamTokensRequest(message_id=started.message_id)
            followed = aiter(MessagesServiceStub(second).StreamTokens(follow, metadata=metadata))
            await asyncio.gather(_note(sent, here), _note(followed, there))

        await asyncio.gather(*(stream() for _ in range(STREAMS)))
    assert len(here) == len(there) == STREAMS * tokens, "each token comes once to each reader"
    return here, there


async def _note(events: AsyncIterator[StreamEvent], latencies: list[float]) -> None:
    async for event in events:
        now = time.monotonic_ns()
        latencies += [(now - int(token)) / 1e6 for token in event.tokens.tokens]


async def _bare_hop(url: str, messages: int) -> list[float]:
    """Milliseconds from a publisher in another process to a subscriber in this one, at the rate of the streams."""
    latencies: list[float] = []
    async with _subscribed(url) as subscription:
        publisher = get_context("spawn").Process(target=_publish, args=(url, messages), daemon=True)
        publisher.start()
        async for item in subscription.listen():
            if item["type"] == "message":
                latencies.append((time.monotonic_ns() - int(item["data"])) / 1e6)
            if len(latencies) == messages:
                break
        publisher.join(_STOP_SECONDS)
    return latencies


@asynccontextmanager
async def _subscribed(url: str) -> AsyncIterator[redis.asyncio.client.PubSub]:
    async with redis.asyncio.from_url(url) as client, client.pubsub() as subscription:
        await subscription.subscribe(_CHANNEL)
        yield subscription


def _publish(url: str, messages: int) -> None:
    asyncio.run(_publish_paced(url, messages))


async def _publish_paced(url: str, messages: int) -> None:
    loop = asyncio.get_running_loop()
    async with redis.asyncio.from_url(url) as client:
        due = loop.time()
        for _ in range(messages):
            due += 1 / (PACE * STREAMS)
            await asyncio.sleep(max(0, due - loop.time()))
            await client.publish(_CHANNEL, str(time.monotonic_ns()))


def _told(latencies: list[float]) -> str:
    return f"{shown(median(latencies))} / {shown(quantiles(latencies, n=100)[98])} ms"
