"""OpenAI's models, and those of any server that speaks its chat completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from services.messages.providers import failures
from services.messages.providers.port import Health, Prompt, ProviderError, Usage

_OPENAIS = "https://api.openai.com/v1"
# Seconds.
_CONNECT = 5
# A limit that no waiting restores.
_NOTHING_LEFT = "insufficient_quota"


class OpenAIProvider:
    """Through the official SDK. `timeout` is in seconds of silence; `base_url` None means OpenAI's own server."""

    def __init__(self, base_url: str | None, timeout: float) -> None:
        self._base_url = base_url or _OPENAIS
        self._timeout = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT))
        self._connections = openai.DefaultAsyncHttpxClient()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        begun, finish_reason = False, ""
        try:
            chunks = await self._client(prompt.api_key).chat.completions.create(
                model=prompt.model,
                messages=_messages(prompt),
                # Stored within 0..1; OpenAI's range is 0..2.
                temperature=openai.omit if prompt.temperature is None else prompt.temperature * 2,
                max_completion_tokens=prompt.max_output_tokens or openai.omit,
                stream=True,
                stream_options={"include_usage": True},
            )
            begun = True
            async with chunks:
                async for chunk in chunks:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content
                        finish_reason = choice.finish_reason or finish_reason
                    if chunk.usage:
                        yield Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        except (openai.OpenAIError, ValueError) as error:
            raise _provider_error(error, begun) from error
        if not finish_reason:
            raise failures.broken_off()
        if finish_reason == "content_filter":
            raise failures.content_refused()

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: asks for the list of models, which costs nothing."""
        try:
            await self._client(api_key).models.list()
        except (openai.OpenAIError, ValueError) as error:
            raise _provider_error(error, False) from error
        return Health()

    async def close(self) -> None:
        """Closes the connections."""
        await self._connections.aclose()

    def _client(self, api_key: str) -> openai.AsyncOpenAI:
        """For one prompt: it has the key, and shares the connections, which do not."""
        client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=self._base_url,
            http_client=self._connections,
            timeout=self._timeout,
            # After the first token a retry would splice two answers; before it, `RetryingProvider` sees to it.
            max_retries=0,
        )
        # What the SDK finds in the environment need not be the key's.
        client.organization = client.project = None
        return client


def _messages(prompt: Prompt) -> list[ChatCompletionMessageParam]:
    messages: list[ChatCompletionMessageParam] = []
    if prompt.system:
        messages.append({"role": "system", "content": prompt.system})
    for turn in prompt.turns:
        if turn.role == "user":
            messages.append({"role": "user", "content": turn.text})
        else:
            messages.append({"role": "assistant", "content": turn.text})
    return messages


def _provider_error(error: Exception, begun: bool) -> ProviderError:
    """What `error` means, once the answer has `begun` or before."""
    match error:
        case openai.APIStatusError():
            return _refusal(error)
        case openai.APITimeoutError() if not isinstance(error.__cause__, httpx2.ConnectTimeout):
            return failures.silent()
        case openai.APIConnectionError() if not begun:
            return failures.unreachable()
        case _:
            return failures.broken_off()


def _refusal(error: openai.APIStatusError) -> ProviderError:
    """What an answer that is an error means, by its status and OpenAI's code."""
    match error.status_code, error.code:
        case (403 | 404, "model_not_found"):
            return failures.no_such_model()
        case (403, "unsupported_country_region_territory"):
            # The key may be good elsewhere.
            return failures.request_refused(403)
        case (401 | 403, _):
            return failures.key_refused()
        case (400, "context_length_exceeded") | (413, _):
            return failures.too_long()
        case (400, "content_policy_violation" | "content_filter"):
            return failures.content_refused()
        case (429, code):
            return failures.rate_limited(None if code == _NOTHING_LEFT else _asked_to_wait(error))
        case (408 | 504, _):
            return failures.silent()
        case (status, _) if status >= 500:
            return failures.overloaded(status, _asked_to_wait(error))
        case (status, _):
            return failures.request_refused(status)


def _asked_to_wait(error: openai.APIStatusError) -> float | None:
    return failures.asked_to_wait(error.response.headers)
