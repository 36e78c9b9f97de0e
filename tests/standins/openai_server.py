"""A stand-in for an OpenAI-compatible server: streamed chat completions, in the published format."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, Wire, serve

_MODEL = "gpt-stand-in"
_FINISH_REASONS = MappingProxyType({Then.DONE: "stop", Then.LENGTH: "length", Then.REFUSED: "content_filter"})


class OpenAIWire(Wire):
    """Server-sent events, with text as it is: OpenAI escapes nothing but what JSON must."""

    torn = b'data: {"id": "chatcmpl-1", "cho'

    def beginning(self) -> Iterator[bytes]:
        yield _delta(role="assistant", content="")

    def text(self, piece: str) -> Iterator[bytes]:
        yield _delta(content=piece)

    def tool_call(self, call: ToolCall) -> Iterator[bytes]:
        function = {"name": call.name, "arguments": ""}
        yield _delta(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": function}])
        for part in call.arguments:
            yield _delta(tool_calls=[{"index": 0, "function": {"arguments": part}}])

    def error(self) -> Iterator[bytes]:
        yield _data({"error": {"message": "the server had an error", "type": "server_error"}})

    def ending(self) -> Iterator[bytes]:
        yield _event(choices=[{"index": 0, "delta": {}, "finish_reason": _FINISH_REASONS[self.reply.then]}])
        read, written = self.reply.input_tokens, self.reply.output_tokens
        if read is not None and written is not None:
            counted = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
            yield _event(choices=[], usage=counted)
        yield b"data: [DONE]\n\n"


class StandInOpenAI(StandInProvider):
    """Chat completions and the list of models."""

    base_path = "/v1"
    answer_path = "/v1/chat/completions"
    models_path = "/v1/models"
    wire = OpenAIWire

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers["Authorization"].removeprefix("Bearer ")

    def turns(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in request["messages"]]

    def refusal(self, reply: Reply, text: str) -> dict[str, Any]:
        return {"error": {"message": text, "type": "error", "code": reply.error or None}}

    def models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": _MODEL, "object": "model", "created": 1, "owned_by": "nobody"}]}


@asynccontextmanager
async def serve_openai() -> AsyncIterator[StandInOpenAI]:
    """The stand-in on a free port."""
    async with serve(StandInOpenAI()) as stand_in:
        yield stand_in


def _delta(**delta: Any) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])


def _event(**fields: Any) -> bytes:
    fixed = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": _MODEL}
    return _data({**fixed, **fields})


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
