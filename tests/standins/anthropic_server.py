"""A stand-in for Anthropic's server: streamed messages, in the published format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, Wire

_MODEL = "claude-stand-in"
_STOP_REASONS = MappingProxyType({Then.DONE: "end_turn", Then.LENGTH: "max_tokens", Then.REFUSED: "refusal"})


class AnthropicWire(Wire):
    """Named server-sent events. Text and calls of tools are in blocks of their own, one after the other."""

    torn = b'event: content_block_delta\ndata: {"type": "content_blo'

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self._index = -1
        self._in_text = False

    def beginning(self) -> Iterator[bytes]:
        # What the prompt has is told in three figures, of which the first is what is in no cache.
        read = self.reply.input_tokens or 0
        cached = {"cache_creation_input_tokens": read // 4, "cache_read_input_tokens": read // 3}
        usage = {"input_tokens": read - sum(cached.values()), **cached, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": _MODEL, "content": []}
        yield _event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})
        yield _event("ping")

    def text(self, piece: str) -> Iterator[bytes]:
        if not self._in_text:
            yield from self._begin({"type": "text", "text": ""})
            self._in_text = True
        yield self._delta({"type": "text_delta", "text": piece})

    def tool_call(self, call: ToolCall) -> Iterator[bytes]:
        yield from self._begin({"type": "tool_use", "id": "toolu_1", "name": call.name, "input": {}})
        self._in_text = False
        for part in ("", *call.arguments):
            yield self._delta({"type": "input_json_delta", "partial_json": part})

    def error(self) -> Iterator[bytes]:
        kind = "overloaded_error" if self.reply.then is Then.OVERLOADED else "api_error"
        yield _event("error", error={"type": kind, "message": "the server had an error"})

    def ending(self) -> Iterator[bytes]:
        yield from self._end()
        delta = {"stop_reason": _STOP_REASONS[self.reply.then], "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage={"output_tokens": self.reply.output_tokens or 0})
        yield _event("message_stop")

    def _begin(self, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self._end()
        self._index += 1
        yield _event("content_block_start", index=self._index, content_block=block)

    def _end(self) -> Iterator[bytes]:
        if self._index >= 0:
            yield _event("content_block_stop", index=self._index)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)


class StandInAnthropic(StandInProvider):
    """Messages and the list of models."""

    answer_path = "/v1/messages"
    models_path = "/v1/models"
    wire = AnthropicWire

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers["Authorization"].removeprefix("Bearer ")

    def turns(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        system = [("system", request["system"])] if "system" in request else []
        return system + [(message["role"], message["content"]) for message in request["messages"]]

    def refusal(self, reply: Reply, text: str) -> dict[str, Any]:
        kind, _, beginning = reply.error.partition(": ")
        return {"type": "error", "error": {"type": kind, "message": beginning + text}, "request_id": "req_1"}

    def models(self) -> dict[str, Any]:
        model = {"type": "model", "id": _MODEL, "display_name": "Nobody", "created_at": "2025-01-01T00:00:00Z"}
        return {"data": [model], "has_more": False, "first_id": _MODEL, "last_id": _MODEL}


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()
