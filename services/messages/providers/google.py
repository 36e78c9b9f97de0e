"""Google's models, by the Gemini API."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import suppress
from copy import copy
from itertools import dropwhile
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from services.messages.providers import failures
from services.messages.providers.port import Health, Prompt, ProviderError, Usage

_GOOGLES = "https://generativelanguage.googleapis.com"
# Seconds.
_CONNECT = 5

_COMPLETE = frozenset((types.FinishReason.STOP, types.FinishReason.MAX_TOKENS))
_REFUSED = frozenset(
    (
        types.FinishReason.SAFETY,
        types.FinishReason.RECITATION,
        types.FinishReason.BLOCKLIST,
        types.FinishReason.PROHIBITED_CONTENT,
        types.FinishReason.SPII,
    )
)
# What the SDK raises, the last two for errors that are not in Google's form.
_FAILURES = (errors.APIError, httpx2.HTTPError, ValueError, TypeError, AttributeError)


class GoogleProvider:
    """Through the official SDK. `timeout` is in seconds of silence; `base_url` None means Google's own server."""

    def __init__(self, base_url: str | None, timeout: float) -> None:
        self._base_url = base_url or _GOOGLES
        self._timeout = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT))
        self._connections = httpx2.AsyncClient()
        # The SDK makes both for each client where it is not given them, which takes 50 ms. Neither is used.
        self._blocking = httpx2.Client(transport=httpx2.BaseTransport())
        self._websockets = {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        responses: list[httpx2.Response] = []
        blocked, finish_reason, usage = False, None, None
        try:
            async for chunk in await self._client(prompt.api_key, responses).aio.models.generate_content_stream(
                model=prompt.model, contents=_contents(prompt), config=_config(prompt)
            ):
                for candidate in (chunk.candidates or ())[:1]:
                    for part in (candidate.content and candidate.content.parts) or ():
                        if part.text and not part.thought:
                            yield part.text
                    finish_reason = candidate.finish_reason or finish_reason
                blocked = blocked or bool(chunk.prompt_feedback and chunk.prompt_feedback.block_reason)
                usage = chunk.usage_metadata or usage
        except _FAILURES as error:
            raise _provider_error(error, bool(responses)) from error
        finally:
            # Closing the SDK's iterator leaves the connection to the garbage collector.
            for response in responses:
                await response.aclose()
        if usage and usage.prompt_token_count is not None:
            written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
            yield Usage(usage.prompt_token_count, written)
        if blocked or finish_reason in _REFUSED:
            raise failures.content_refused()
        if finish_reason not in _COMPLETE:
            raise failures.broken_off()

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: asks for one of the models, which costs nothing."""
        responses: list[httpx2.Response] = []
        try:
            await self._client(api_key, responses).aio.models.list(config={"page_size": 1})
        except _FAILURES as error:
            raise _provider_error(error, bool(responses)) from error
        return Health()

    async def close(self) -> None:
        """Closes the connections."""
        self._blocking.close()
        await self._connections.aclose()

    def _client(self, api_key: str, responses: list[httpx2.Response]) -> genai.Client:
        """For one prompt: it has the key, collects the `responses`, and shares the connections, which do not."""

        async def be_patient(request: httpx2.Request) -> None:
            # The SDK's own timeout would tell Google to end the whole answer by then.
            request.extensions["timeout"] = self._timeout.as_dict()

        async def collect(response: httpx2.Response) -> None:
            responses.append(response)

        connections = copy(self._connections)
        connections.event_hooks = {"request": [be_patient], "response": [collect]}
        options = types.HttpOptions(
            base_url=self._base_url,
            httpx_async_client=connections,
            httpx_client=self._blocking,
            async_client_args=self._websockets,
        )
        # Not by Vertex AI, whatever the environment says. The SDK retries nothing unless it is told to.
        return genai.Client(vertexai=False, api_key=api_key, http_options=options)


def _contents(prompt: Prompt) -> list[types.ContentUnion]:
    # A history that was cut may begin with an answer, whose question is gone: Google wants a person to begin.
    turns = dropwhile(lambda turn: turn.role == "assistant", prompt.turns)
    roles = {"user": "user", "assistant": "model"}
    return [types.Content(role=roles[turn.role], parts=[types.Part(text=turn.text)]) for turn in turns]


def _config(prompt: Prompt) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        system_instruction=prompt.system or None,
        # Stored within 0..1; Google's range is 0..2.
        temperature=None if prompt.temperature is None else prompt.temperature * 2,
        max_output_tokens=prompt.max_output_tokens,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def _provider_error(error: Exception, answered: bool) -> ProviderError:
    """What `error` means, once the provider has `answered` or before."""
    match error:
        case errors.APIError():
            return _refusal(error)
        case httpx2.ConnectTimeout():
            return failures.unreachable()
        case httpx2.TimeoutException():
            return failures.silent()
        case httpx2.TransportError() if not answered:
            return failures.unreachable()
        case _:
            return failures.broken_off()


def _refusal(error: errors.APIError) -> ProviderError:
    details = _details(error)
    match error.code:
        case 400 if "exceeds the maximum number of tokens" in str(error.message):
            return failures.too_long()
        case 400 if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            return failures.key_refused()
        case 401 | 403:
            return failures.key_refused()
        case 404:
            return failures.no_such_model()
        case 413:
            return failures.too_long()
        case 429:
            return failures.rate_limited(_retry_after(details))
        case 504:
            return failures.silent()
        case code if code >= 500:
            return failures.overloaded(code, _retry_after(details))
        case code:
            return failures.request_refused(code)


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    """The `google.rpc` details of an error, as JSON; none where it is not in Google's form."""
    body = error.details if isinstance(error.details, dict) else {}
    status = body.get("error")
    details = status.get("details") if isinstance(status, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _retry_after(details: list[dict[str, Any]]) -> float | None:
    """Seconds, of `google.rpc.RetryInfo`: a duration, which JSON has as `"38.5s"`."""
    for detail in details:
        if str(detail.get("@type")).endswith("google.rpc.RetryInfo"):
            with suppress(ValueError):
                return float(str(detail.get("retryDelay")).removesuffix("s"))
    return None
