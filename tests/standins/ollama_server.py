"""A stand-in for an Ollama server: chats, the models that it has, and their fetching, in the published format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aiohttp import web

from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, Wire

_DONE_REASONS = MappingProxyType({Then.DONE: "stop", Then.LENGTH: "length", Then.REFUSED: "stop"})
_GIGABYTE = 2**30


class OllamaWire(Wire):
    """A JSON object a line, escaped as Go does it."""

    torn = b'{"model":"gemma2:2b","mess'

    def beginning(self) -> Iterator[bytes]:
        yield _chat(content="", thinking="The person says hello.")

    def text(self, piece: str) -> Iterator[bytes]:
        yield _chat(content=piece)

    def tool_call(self, call: ToolCall) -> Iterator[bytes]:
        function = {"name": call.name, "arguments": json.loads("".join(call.arguments))}
        yield _chat(content="", tool_calls=[{"function": function}])

    def error(self) -> Iterator[bytes]:
        yield _line({"error": "llama runner process no longer running: 2"})

    def ending(self) -> Iterator[bytes]:
        reply = self.reply
        counted = {}
        if reply.input_tokens is not None and reply.output_tokens is not None:
            counted = {"prompt_eval_count": reply.input_tokens, "eval_count": reply.output_tokens}
        message = {"role": "assistant", "content": ""}
        reason = _DONE_REASONS[reply.then]
        yield _line({**_STAMP, "message": message, "done": True, "done_reason": reason, "total_duration": 1, **counted})


@dataclass(frozen=True)
class Fetching:
    """How a model is fetched: the `steps`, of which those after `held` follow once the stand-in is `released`."""

    steps: Sequence[Mapping[str, Any]]
    held: int | None = None
    status: int = 200


class StandInOllama(StandInProvider):
    """A server that has the models `at_hand`, and holds `loaded` in memory, a gigabyte each."""

    answer_path = "/api/chat"
    models_path = "/api/tags"
    content_type = "application/x-ndjson"
    wire = OllamaWire

    def __init__(self) -> None:
        super().__init__()
        self.at_hand: list[str] = ["gemma2:2b"]
        self.loaded: list[str] = []
        self.fetching = Fetching(())
        self.fetched: list[dict[str, Any]] = []
        self.loads: list[dict[str, Any]] = []

    def routes(self, app: web.Application) -> None:
        super().routes(app)
        app.router.add_get("/api/ps", self.list_loaded)
        app.router.add_post("/api/pull", self.pull)
        app.router.add_post("/api/generate", self.load)

    def key_of(self, headers: Mapping[str, str]) -> str:
        return ""

    def turns(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in request["messages"]]

    def refusal(self, reply: Reply, text: str) -> dict[str, Any]:
        return {"error": reply.error or text}

    def models(self) -> dict[str, Any]:
        return {"models": [_described(name) for name in self.at_hand]}

    async def list_loaded(self, request: web.Request) -> web.Response:
        """GET /api/ps."""
        return web.json_response({"models": [{**_described(name), "size_vram": 0} for name in self.loaded]})

    async def load(self, request: web.Request) -> web.Response:
        """POST /api/generate without a prompt."""
        asked = await request.json()
        self.loads.append(asked)
        if asked["model"] not in self.at_hand:
            return web.json_response({"error": f"model '{asked['model']}' not found"}, status=404)
        self.loaded.append(asked["model"])
        return web.json_response({**_STAMP, "response": "", "done": True, "done_reason": "load"})

    async def pull(self, request: web.Request) -> web.StreamResponse:
        """POST /api/pull: the steps of `fetching`; the model is there once one of them is a success."""
        asked = await request.json()
        self.fetched.append(asked)
        fetching = self.fetching
        if fetching.status != 200:
            return web.json_response(fetching.steps[0], status=fetching.status)
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        try:
            await response.prepare(request)
            for number, step in enumerate(fetching.steps):
                if number == fetching.held:
                    await self.released.wait()
                if step.get("status") == "success":
                    self.at_hand.append(asked["model"])
                await response.write(_line(step))
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return response


_STAMP = MappingProxyType({"model": "gemma2:2b", "created_at": "2026-01-01T00:00:00.000000001Z"})
_GO = MappingProxyType({ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def _described(name: str) -> dict[str, Any]:
    return {"name": name, "model": name, "size": _GIGABYTE, "digest": "sha256:0", "details": {"family": "gemma2"}}


def _chat(**message: Any) -> bytes:
    return _line({**_STAMP, "message": {"role": "assistant", **message}, "done": False})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).translate(_GO).encode() + b"\n"
