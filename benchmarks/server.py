"""The server under measurement: the real composition root in a process of its own, and bare methods beside it.

The bare methods are what gRPC costs when nothing is done: no interceptor, no store, on the same server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    SendMessageRequest,
    Started,
    StreamEvent,
    TokenBatch,
)

from benchmarks.machine import Usage, usage
from libs.common.access.initial_limits import SEEDS
from libs.common.crypto.keys import KeyRing, SecretKey
from libs.common.crypto.tokens import Tokens
from libs.common.logs import configure_logging
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from services.messages.chunks import MAX_CHUNK_TOKENS
from services.messages.providers.echo import EchoProvider, echo_tokens
from services.messages.providers.port import Prompt, Turn

BARE = "llmchat.bench.Bare"
# Calls and streams are counted as in use, and none is refused.
LIMITS = json.dumps(dict.fromkeys(SEEDS, 10**9))
_STOP_SECONDS = 30
# The default of LLMCHAT_CHUNK_LINGER.
_LINGER = 0.003


@dataclass(frozen=True, slots=True)
class Server:
    """A running one."""

    address: str
    pid: int
    key: KeyRing = field(repr=False)

    def metadata(self, user_id: str, *, is_admin: bool = False) -> tuple[tuple[str, str], ...]:
        """What a gateway's calls for a signed-in user carry."""
        token, _ = Tokens(self.key.derive("tokens")).issue_user(user_id, is_admin)
        return (("authorization", f"Bearer {token}"), ("x-request-id", "a-gateways-own"))

    def service_metadata(self, service: str) -> tuple[tuple[str, str], ...]:
        """What a service's own calls carry."""
        token, _ = Tokens(self.key.derive("tokens")).issue_service(service, "", False)
        return (("authorization", f"Bearer {token}"), ("x-request-id", "a-services-own"))

    def usage(self) -> Usage:
        """What its process has used so far."""
        return usage(self.pid)


@contextmanager
def serving(folder: Path | None, **settings: float | str) -> Iterator[Server]:
    """A server that keeps its documents in `folder`, or in memory where there is none; `settings` as `LLMCHAT_…`."""
    key = secrets.token_bytes(32)
    environment = {
        "LLMCHAT_LISTEN": "127.0.0.1:0",
        "LLMCHAT_STORE_URL": f"sqlite:///{folder}" if folder else "memory://",
        "LLMCHAT_SECRET_KEY": base64.b64encode(key).decode(),
        "LLMCHAT_LIMITS": LIMITS,
        **{f"LLMCHAT_{name.upper()}": str(value) for name, value in settings.items()},
    }
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(environment, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        assert process.pid is not None
        yield Server(ours.recv(), process.pid, KeyRing((SecretKey(key),)))
    finally:
        ours.close()
        process.join(_STOP_SECONDS)


def _serve(environment: dict[str, str], connection: Connection) -> None:
    os.environ.update(environment)
    configure_logging("ERROR", "text")
    asyncio.run(_serve_until_closed(connection))


async def _serve_until_closed(connection: Connection) -> None:
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(connection.fileno(), closed.set)
    async with open_process(Settings(stop_grace=0.2), {**EMBEDDED, "bare": _bare}) as process:
        connection.send(process.server.address)
        await closed.wait()


async def _bare(process: Process) -> None:
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Ping": grpc.unary_unary_rpc_method_handler(_ping),
        "Stream": grpc.unary_stream_rpc_method_handler(_stream),
        "Gathered": grpc.unary_stream_rpc_method_handler(_gathered),
        "Whole": grpc.unary_stream_rpc_method_handler(_whole),
        "Idle": grpc.unary_stream_rpc_method_handler(_idle),
        "Take": grpc.stream_unary_rpc_method_handler(_take),
    }
    process.server.add_generic(grpc.method_handlers_generic_handler(BARE, handlers))


async def _ping(body: bytes, context: Any) -> bytes:
    return b""


async def _stream(body: bytes, context: Any) -> AsyncIterator[bytes]:
    """The echo model's tokens as they come, a message each."""
    prompt = Prompt("echo", "", (Turn("user", SendMessageRequest.FromString(body).content),))
    seq = 0
    async for piece in EchoProvider(0).stream(prompt):
        if isinstance(piece, str):
            seq += 1
            yield StreamEvent(seq=seq, tokens=TokenBatch(tokens=[piece])).SerializeToString()


async def _gathered(body: bytes, context: Any) -> AsyncIterator[bytes]:
    """The echo model's tokens as a generation gathers them (see `services.messages.generation`), stored nowhere."""
    prompt = Prompt("echo", "", (Turn("user", SendMessageRequest.FromString(body).content),))
    tokens: list[str] = []
    arrived = asyncio.Event()

    async def collect() -> None:
        async for piece in EchoProvider(0).stream(prompt):
            if isinstance(piece, str):
                tokens.append(piece)
                arrived.set()

    collecting = asyncio.create_task(collect())
    collecting.add_done_callback(lambda _: arrived.set())
    sent = 0
    while not (collecting.done() and sent == len(tokens)):
        await arrived.wait()
        if sent:
            await asyncio.sleep(_LINGER)
        arrived.clear()
        fresh = tokens[sent : sent + MAX_CHUNK_TOKENS]
        sent += len(fresh)
        if fresh:
            yield StreamEvent(seq=sent, tokens=TokenBatch(tokens=fresh)).SerializeToString()
        if sent < len(tokens) or collecting.done():
            arrived.set()


async def _whole(body: bytes, context: Any) -> AsyncIterator[bytes]:
    """The echo model's tokens in one message."""
    tokens = echo_tokens(SendMessageRequest.FromString(body).content)
    yield StreamEvent(seq=len(tokens), tokens=TokenBatch(tokens=tokens)).SerializeToString()


async def _take(bodies: AsyncIterator[bytes], context: Any) -> bytes:
    """Tokens from outside, parsed and nothing else."""
    async for body in bodies:
        AppendTokensRequest.FromString(body)
    return b""


async def _idle(body: bytes, context: Any) -> AsyncIterator[bytes]:
    """One message, then silence."""
    yield StreamEvent(started=Started()).SerializeToString()
    await asyncio.Event().wait()
