"""A stand-in for an OpenAI-compatible server: streamed chat completions over real HTTP, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from typing import Any

from aiohttp import web

MODEL_NAME = "gpt-stand-in"
WHOLE = (65536,)


class Then(Enum):
    """What follows the last piece of an answer."""

    DONE = "the finish reason, the usage and [DONE]"
    NOTHING = "the stream ends without a finish reason"
    ERROR = "an error object in place of a chunk"
    CUT = "the connection breaks in the middle of a line"
    SILENCE = "nothing, for as long as the caller waits"


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    `pieces` are the deltas, empty ones included; those of `held` follow once the stand-in is `released`. `cuts` are the
    sizes in bytes of the HTTP chunks that the stream is written in, over and over. With another `status` than 200 the
    answer is that error, with the code `error`.
    """

    pieces: Sequence[str] = ()
    then: Then = Then.DONE
    held: Sequence[str] = ()
    finish_reason: str = "stop"
    cuts: Sequence[int] = WHOLE
    prompt_tokens: int = 0
    completion_tokens: int = 0
    status: int = 200
    error: str = ""


class StandInOpenAI:
    """Answers each request with the next of `replies` and keeps what it was asked."""

    def __init__(self) -> None:
        self.base_url = ""
        self.replies: deque[Reply] = deque()
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.headers: list[dict[str, str]] = []
        # Set once a caller has closed its connection before the answer's end.
        self.left = asyncio.Event()
        self.released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serves on a free port."""
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self.complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        self.base_url = f"http://{host}:{port}/v1"

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        self.requests.append(await request.json())
        self.keys.append(request.headers["Authorization"])
        self.headers.append(dict(request.headers))
        reply = self.replies.popleft()
        if reply.status != 200:
            # Servers repeat what they were given; so nothing of this text may go further.
            error = {"message": f"refused: {self.keys[-1]}", "type": "error", "code": reply.error or None}
            return web.json_response({"error": error}, status=reply.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(request, response, reply)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
        sizes = cycle(reply.cuts)
        await _write(response, _beginning(reply), sizes)
        if reply.held:
            await self.released.wait()
        await _write(response, _ending(reply), sizes)
        if reply.then is Then.CUT and request.transport is not None:
            await response.write(b'data: {"id": "chatcmpl-1", "cho')
            request.transport.abort()
        elif reply.then is Then.SILENCE:
            await asyncio.Event().wait()


@asynccontextmanager
async def serve_openai() -> AsyncIterator[StandInOpenAI]:
    """The stand-in on a free port."""
    stand_in = StandInOpenAI()
    await stand_in.start()
    try:
        yield stand_in
    finally:
        await stand_in.stop()


async def _write(response: web.StreamResponse, lines: Iterator[bytes], sizes: Iterator[int]) -> None:
    body = b"".join(lines)
    start = 0
    while start < len(body):
        size = next(sizes)
        await response.write(body[start : start + size])
        # Lets the part leave by itself: parts that are written together are read together.
        await asyncio.sleep(0)
        start += size


# The server-sent events, with text as it is: OpenAI escapes nothing but what JSON must.
def _beginning(reply: Reply) -> Iterator[bytes]:
    yield _event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    yield from map(_delta, reply.pieces)


def _ending(reply: Reply) -> Iterator[bytes]:
    yield from map(_delta, reply.held)
    if reply.then is Then.ERROR:
        yield _data({"error": {"message": "the server had an error", "type": "server_error"}})
    if reply.then is Then.DONE:
        yield _event(choices=[{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}])
        total = reply.prompt_tokens + reply.completion_tokens
        counted = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
        yield _event(choices=[], usage={**counted, "total_tokens": total})
        yield b"data: [DONE]\n\n"


def _delta(piece: str) -> bytes:
    return _event(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}])


def _event(**fields: Any) -> bytes:
    fixed = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL_NAME}
    return _data({**fixed, **fields})


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
