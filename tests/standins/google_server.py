"""A stand-in for Google's Gemini API: streamed content, in the published format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, Wire

_MODEL = "gemini-stand-in"
_FINISH_REASONS = MappingProxyType({Then.DONE: "STOP", Then.LENGTH: "MAX_TOKENS", Then.REFUSED: "SAFETY"})
_STATUSES = MappingProxyType({400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"})
_ROLES = MappingProxyType({"user": "user", "model": "assistant"})
# What a model thinks, which it may tell before it answers.
THOUGHTS = 5


class GoogleWire(Wire):
    """Server-sent events, with text as it is. The end comes with a part that has no text."""

    torn = b'data: {"candidates": [{"cont'

    def beginning(self) -> Iterator[bytes]:
        yield _content({"text": "The person says hello.", "thought": True})

    def text(self, piece: str) -> Iterator[bytes]:
        yield _content({"text": piece})

    def tool_call(self, call: ToolCall) -> Iterator[bytes]:
        yield _content({"functionCall": {"name": call.name, "args": json.loads("".join(call.arguments))}})

    def error(self) -> Iterator[bytes]:
        yield _data({"error": {"code": 499, "message": "the stream is over", "status": "CANCELLED"}})

    def ending(self) -> Iterator[bytes]:
        reply = self.reply
        usage = {}
        if reply.input_tokens is not None and reply.output_tokens is not None:
            # Thoughts are paid for as the answer is.
            thoughts = min(THOUGHTS, reply.output_tokens)
            usage = {
                "promptTokenCount": reply.input_tokens,
                "candidatesTokenCount": reply.output_tokens - thoughts,
                "thoughtsTokenCount": thoughts,
                "totalTokenCount": reply.input_tokens + reply.output_tokens,
            }
        if reply.then is Then.REFUSED and not reply.pieces:
            # It is the question then, to which there is no candidate for an answer.
            yield _data({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage})
        else:
            yield _content({"text": ""}, usage, finishReason=reply.error or _FINISH_REASONS[reply.then])


class StandInGoogle(StandInProvider):
    """Content that is generated, and the list of models.

    `Reply.error` is the reason in an error's details; where it is a sentence, it is the error's text. In an answer it
    is the finish reason. Google tells how long to wait in the details: those of a reply whose headers say it.
    """

    answer_path = "/v1/models/{model}:streamGenerateContent"
    models_path = "/v1/models"
    wire = GoogleWire

    def key_of(self, headers: Mapping[str, str]) -> str:
        return headers["x-goog-api-key"]

    def turns(self, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        system = request.get("systemInstruction")
        turns = [("system", _text(system))] if system else []
        return turns + [(_ROLES[content["role"]], _text(content)) for content in request["contents"]]

    def refusal(self, reply: Reply, text: str) -> dict[str, Any]:
        details: list[dict[str, Any]] = []
        if " " in reply.error:
            text = reply.error
        elif reply.error:
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reply.error})
        if wait := reply.headers.get("Retry-After"):
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait}s"})
        status = _STATUSES.get(reply.status, "UNAVAILABLE")
        return {"error": {"code": reply.status, "message": text, "status": status, "details": details}}

    def models(self) -> dict[str, Any]:
        return {"models": [{"name": f"models/{_MODEL}", "version": "1", "displayName": "A stand-in"}]}


def _text(content: Mapping[str, Any]) -> str:
    return "".join(part["text"] for part in content["parts"])


def _content(part: dict[str, Any], usage: dict[str, int] | None = None, **fields: Any) -> bytes:
    candidate = {"content": {"parts": [part], "role": "model"}, "index": 0, **fields}
    return _data({"candidates": [candidate], "modelVersion": _MODEL, **({"usageMetadata": usage} if usage else {})})


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\r\n\r\n".encode()
