"""A stand-in for a maker of models: answers that are streamed over real HTTP as a script says, well or badly.

What differs between makers is in a subclass of `StandInProvider`, which says where it is asked, and one of `Wire`,
which says what an answer looks like.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle
from typing import Any, ClassVar, TypeVar

from aiohttp import web

WHOLE = (65536,)


class Then(Enum):
    """What follows the last piece of an answer."""

    DONE = "its proper end"
    LENGTH = "its proper end: it is as long as it may be"
    REFUSED = "its proper end: the maker refuses to go on"
    NOTHING = "the stream ends without the answer's end"
    ERROR = "an error in place of a piece"
    OVERLOADED = "an error in place of a piece which says that it passes, where the maker's format has such"
    CUT = "the connection breaks in the middle of a line"
    SILENCE = "nothing, for as long as the caller waits"
    UNANSWERED = "nothing, and nothing before it: no piece, not even a status"


@dataclass(frozen=True)
class ToolCall:
    """What a model says to call a function, in deltas of its arguments. No part of the text."""

    name: str = "look_up"
    arguments: Sequence[str] = ('{"plac', 'e": "Küche"}')


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    `pieces` are the deltas, empty ones and calls of tools included; those of `held` follow once the stand-in is
    `released`. `cuts` are the sizes in bytes of the HTTP chunks that the stream is written in, over and over. Usage is
    told where it is given. With another `status` than 200 the answer is that error, with the code `error` of the
    maker's own.
    """

    pieces: Sequence[str | ToolCall] = ()
    then: Then = Then.DONE
    held: Sequence[str | ToolCall] = ()
    cuts: Sequence[int] = WHOLE
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 200
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that the reply says."""
        return "".join(piece for piece in (*self.pieces, *self.held) if isinstance(piece, str))


class Wire(ABC):
    """One reply in its maker's format. `torn` is how a line begins."""

    torn: ClassVar[bytes]

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def beginning(self) -> Iterator[bytes]:
        """What comes before the first piece."""
        return iter(())

    @abstractmethod
    def text(self, piece: str) -> Iterator[bytes]:
        """A piece of the answer's text, which may be empty."""

    @abstractmethod
    def tool_call(self, call: ToolCall) -> Iterator[bytes]:
        """The deltas of a call."""

    @abstractmethod
    def error(self) -> Iterator[bytes]:
        """An error in mid-stream, by the reply's `then`: ERROR or OVERLOADED."""

    @abstractmethod
    def ending(self) -> Iterator[bytes]:
        """The proper end, with the usage, by the reply's `then`: DONE, LENGTH or REFUSED."""


class StandInProvider(ABC):
    """Answers each request with the next of `replies` and keeps what it was asked.

    A list of models, which shows that it is there, is answered with `listing`: its status and error alone count.
    """

    # What a base address ends with, what POST answers a prompt at and GET lists the models at.
    base_path: ClassVar[str] = ""
    answer_path: ClassVar[str]
    models_path: ClassVar[str]
    content_type: ClassVar[str] = "text/event-stream"
    wire: ClassVar[type[Wire]]

    def __init__(self) -> None:
        self.base_url = ""
        self.replies: deque[Reply] = deque()
        self.listing = Reply()
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        # The keys that came along with questions for the models: the house itself asks too, now and then.
        self.checks: list[str] = []
        # Set once a caller has closed its connection before the answer's end.
        self.left = asyncio.Event()
        self.released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def key_of(self, headers: Mapping[str, str]) -> str:
        """The key that came along, bare; empty where the maker takes none."""

    @abstractmethod
    def turns(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a request says, as role (system, user or assistant) and text."""

    def said(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The turns without the system's."""
        return [turn for turn in self.turns(request) if turn[0] != "system"]

    @abstractmethod
    def refusal(self, reply: Reply, text: str) -> dict[str, Any]:
        """The body of an error."""

    @abstractmethod
    def models(self) -> dict[str, Any]:
        """The body of a list of models."""

    def routes(self, app: web.Application) -> None:
        """What is served; a maker that has more adds to it."""
        app.router.add_post(self.answer_path, self.answer)
        app.router.add_get(self.models_path, self.list_models)

    async def start(self) -> None:
        """Serves on a free port."""
        app = web.Application(client_max_size=2**24)
        self.routes(app)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        self.base_url = f"http://{host}:{port}{self.base_path}"

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers a prompt."""
        self.requests.append(await request.json())
        self.keys.append(self.key_of(request.headers))
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        reply = self.replies.popleft()
        try:
            if reply.then is Then.UNANSWERED:
                await asyncio.Event().wait()
            if reply.status != 200:
                return self._refused(reply, self.keys[-1])
            response = web.StreamResponse(headers={"Content-Type": self.content_type, **reply.headers})
            await response.prepare(request)
            await self._stream(request, response, reply)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return response

    async def list_models(self, request: web.Request) -> web.Response:
        """Lists the models, or refuses to."""
        self.checks.append(self.key_of(request.headers))
        if self.listing.status != 200:
            return self._refused(self.listing, self.checks[-1])
        return web.json_response(self.models())

    def _refused(self, reply: Reply, key: str) -> web.Response:
        # Servers repeat what they were given; so nothing of this text may go further.
        body = self.refusal(reply, f"refused: {key}")
        return web.json_response(body, status=reply.status, headers=dict(reply.headers))

    async def _stream(self, request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
        wire, sizes = self.wire(reply), cycle(reply.cuts)
        await _write(response, [*wire.beginning(), *_said(wire, reply.pieces)], sizes)
        if reply.held:
            await self.released.wait()
        await _write(response, _said(wire, reply.held), sizes)
        match reply.then:
            case Then.DONE | Then.LENGTH | Then.REFUSED:
                await _write(response, wire.ending(), sizes)
            case Then.ERROR | Then.OVERLOADED:
                await _write(response, wire.error(), sizes)
            case Then.CUT if request.transport is not None:
                await response.write(wire.torn)
                request.transport.abort()
            case Then.SILENCE:
                await asyncio.Event().wait()


_StandIn = TypeVar("_StandIn", bound=StandInProvider)


@asynccontextmanager
async def serve(stand_in: _StandIn) -> AsyncIterator[_StandIn]:
    """The stand-in on a free port."""
    await stand_in.start()
    try:
        yield stand_in
    finally:
        await stand_in.stop()


def _said(wire: Wire, pieces: Sequence[str | ToolCall]) -> Iterator[bytes]:
    for piece in pieces:
        yield from wire.tool_call(piece) if isinstance(piece, ToolCall) else wire.text(piece)


async def _write(response: web.StreamResponse, parts: Sequence[bytes] | Iterator[bytes], sizes: Iterator[int]) -> None:
    body = b"".join(parts)
    start = 0
    while start < len(body):
        size = next(sizes)
        await response.write(body[start : start + size])
        # Lets the part leave by itself: parts that are written together are read together.
        await asyncio.sleep(0)
        start += size
