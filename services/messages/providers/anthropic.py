"""Anthropic's models, by the Messages API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, TypedDict

import anthropic
import httpx2
from anthropic.types import MessageParam, RawMessageStreamEvent

from services.messages.providers import failures
from services.messages.providers.port import Health, Prompt, ProviderError, Turn, Usage

_ANTHROPICS = "https://api.anthropic.com"
# Seconds.
_CONNECT = 5
# The API wants a limit for every answer.
_MAX_TOKENS = 4096
# Anthropic's own status.
_OVERLOADED = 529
# What a prompt alone is, or together with the limit of its answer: there is no code for either.
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (the )?(maximum )?context")


class AnthropicProvider:
    """Through the official SDK. `timeout` is in seconds of silence; `base_url` None means Anthropic's own server."""

    def __init__(self, base_url: str | None, timeout: float) -> None:
        self._base_url = base_url or _ANTHROPICS
        self._timeout = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT))
        self._connections = anthropic.DefaultAsyncHttpxClient()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        counted, stop_reason, stopped = _Counted(), "", False
        try:
            events = await self._client(prompt.api_key).messages.create(
                model=prompt.model,
                max_tokens=prompt.max_output_tokens or _MAX_TOKENS,
                messages=_messages(prompt.turns),
                system=prompt.system or anthropic.omit,
                stream=True,
                **_with_temperature(prompt.temperature),
            )
            async with events:
                async for event in events:
                    if text := _text(event):
                        yield text
                    counted.take(event)
                    if event.type == "message_delta":
                        stop_reason = event.delta.stop_reason or stop_reason
                    stopped = stopped or event.type == "message_stop"
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
            raise _provider_error(error) from error
        if not stopped:
            raise failures.broken_off()
        yield Usage(counted.input_tokens, counted.output_tokens)
        if stop_reason == "refusal":
            raise failures.content_refused()

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: asks for one of the models, which costs nothing."""
        try:
            await self._client(api_key).models.list(limit=1)
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
            raise _provider_error(error) from error
        return Health()

    async def close(self) -> None:
        """Closes the connections."""
        await self._connections.aclose()

    def _client(self, api_key: str) -> anthropic.AsyncAnthropic:
        """For one prompt: it has the key, and shares the connections, which do not."""
        return anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=self._base_url,
            http_client=self._connections,
            timeout=self._timeout,
            # After the first token a retry would splice two answers; before it, `RetryingProvider` sees to it.
            max_retries=0,
            # Spans could hold what is said, if the environment asked for that.
            open_telemetry=False,
        )


class _Extras(TypedDict, total=False):
    extra_headers: dict[str, str]
    extra_body: dict[str, float]


def _with_temperature(temperature: float | None) -> _Extras:
    """Stored within 0..1, which is Anthropic's range: for models that take one at all. Later versions of the API refuse
    it with any model, and so does the SDK.
    """
    if temperature is None:
        return {}
    return {"extra_headers": {"anthropic-version": "2023-06-01"}, "extra_body": {"temperature": temperature}}


class _Counted:
    """The last figures of a stream: those of the prompt may come at its beginning alone."""

    def __init__(self) -> None:
        self.input_tokens = 0
        self.output_tokens = 0

    def take(self, event: RawMessageStreamEvent) -> None:
        if event.type == "message_start":
            usage: anthropic.types.Usage | anthropic.types.MessageDeltaUsage = event.message.usage
        elif event.type == "message_delta":
            usage = event.usage
        else:
            return
        self.output_tokens = usage.output_tokens
        if usage.input_tokens is not None:
            cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
            self.input_tokens = usage.input_tokens + cached


def _text(event: RawMessageStreamEvent) -> str:
    if event.type == "content_block_start" and event.content_block.type == "text":
        return event.content_block.text
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        return event.delta.text
    return ""


def _messages(turns: Sequence[Turn]) -> list[MessageParam]:
    """The turns as the API takes them: a user's first, in turn, and none that is blank.

    A history that was cut may begin with an answer, whose question is gone; one with a failed answer has two questions
    in a row.
    """
    messages: list[MessageParam] = []
    texts: list[str] = []
    for turn in turns:
        if not turn.text.strip() or (not messages and turn.role == "assistant"):
            continue
        if not messages or messages[-1]["role"] != turn.role:
            texts = []
            messages.append(_empty(turn.role))
        texts.append(turn.text)
        messages[-1]["content"] = "\n\n".join(texts)
    return messages


def _empty(role: Literal["user", "assistant"]) -> MessageParam:
    if role == "user":
        return {"role": "user", "content": ""}
    return {"role": "assistant", "content": ""}


def _provider_error(error: Exception) -> ProviderError:
    match error:
        case anthropic.APIStatusError():
            return _refusal(error)
        case anthropic.APIConnectionError() if isinstance(error.__cause__, httpx2.ConnectTimeout):
            return failures.unreachable()
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return failures.silent()
        case anthropic.APIConnectionError():
            return failures.unreachable()
        case _:
            return failures.broken_off()


def _refusal(error: anthropic.APIStatusError) -> ProviderError:
    """What an answer that is an error means, by its status, or by its type in the middle of a stream."""
    retry_after = failures.asked_to_wait(error.response.headers)
    match error.status_code, error.type:
        case (401, _) | (_, "authentication_error"):
            return failures.key_refused()
        case (404, _):
            return failures.no_such_model()
        case (408 | 504, _) | (_, "timeout_error"):
            return failures.silent()
        case (413, _):
            return failures.too_long()
        case (400, _) if _TOO_LONG.search(error.api_message or ""):
            return failures.too_long()
        case (429, _) | (_, "rate_limit_error"):
            return failures.rate_limited(retry_after)
        case (_, "overloaded_error"):
            return failures.overloaded(_OVERLOADED, retry_after)
        case (status, _) if status >= 500:
            return failures.overloaded(status, retry_after)
        case (status, _) if status >= 400:
            return failures.request_refused(status)
        case _:
            return failures.broken_off()
