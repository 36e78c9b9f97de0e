"""OpenAI's models, and those of any server that speaks its chat completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import openai
from openai.types.chat import ChatCompletionMessageParam

from services.messages.providers.port import Health, Prompt, ProviderError, Usage

# Why a key that is good may be forbidden something.
_NOT_THE_KEYS_FAULT = frozenset(("model_not_found", "unsupported_country_region_territory"))


class OpenAIProvider:
    """Through the official SDK. `timeout` is in seconds of silence; `base_url` None means OpenAI's own server."""

    def __init__(self, base_url: str | None, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout
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
            raise _broken_off()
        if finish_reason == "content_filter":
            raise ProviderError("REFUSED", "the provider's content filter ended the answer")

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
            # Retried by nobody: after the first token a retry would splice two answers.
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
    """What `error` means, once the answer has `begun` or before; its words stay here: they may repeat the key."""
    match error:
        case openai.PermissionDeniedError() if error.code in _NOT_THE_KEYS_FAULT:
            return ProviderError("PROVIDER_ERROR", f"the provider refused the request ({error.code})")
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return ProviderError("AUTHENTICATION", "the provider refused the key")
        case openai.RateLimitError():
            return ProviderError("RATE_LIMITED", "the provider's rate limit is reached")
        case openai.APITimeoutError():
            return ProviderError("TIMEOUT", "the provider did not answer in time")
        case openai.APIConnectionError() if not begun:
            return ProviderError("OVERLOADED", "the provider cannot be reached")
        case openai.InternalServerError():
            return ProviderError("OVERLOADED", f"the provider failed with status {error.status_code}")
        case openai.BadRequestError() if error.code == "context_length_exceeded":
            return ProviderError("CONTEXT_TOO_LONG", "the conversation is too long for the model")
        case openai.BadRequestError() if error.code == "content_policy_violation":
            return ProviderError("REFUSED", "the provider refused the content")
        case openai.APIStatusError():
            return ProviderError("PROVIDER_ERROR", f"the provider answered with status {error.status_code}")
        case _:
            return _broken_off()


def _broken_off() -> ProviderError:
    return ProviderError("PROVIDER_ERROR", "the provider's stream broke off")
