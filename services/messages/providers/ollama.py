"""Models on one's own machines, by Ollama."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import TypeVar, cast

import httpx
import ollama

from services.messages.providers import failures
from services.messages.providers.port import Health, Prompt, ProviderError, Usage

T = TypeVar("T")

# How long a model stays in memory after its last use.
_KEEP_ALIVE = "30m"
# How much of loading a model is its fetching, at most: for the rest Ollama tells no progress.
_FETCHING = 0.95
# Seconds.
_CONNECT = 5
# Of silence while a model is loaded, or checked once it is fetched: Ollama itself gives up after five minutes.
_LOADING_SECONDS = 330
# What the client raises, the last two for answers that are not in Ollama's form.
_FAILURES = (ollama.ResponseError, httpx.HTTPError, ConnectionError, ValueError, TypeError, AttributeError)


class OllamaProvider:
    """Through the official client. `timeout` is in seconds of silence, in which a model may have to be loaded."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._client = _client(base_url, timeout)
        self._loading_client = _client(base_url, max(timeout, _LOADING_SECONDS))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`. A model that Ollama has is loaded first where it is not in memory."""
        answered, done = False, False
        try:
            chunks = await self._client.chat(
                prompt.model,
                _messages(prompt),
                stream=True,
                options=_options(prompt.context_length, prompt.max_output_tokens, prompt.temperature),
                keep_alive=_KEEP_ALIVE,
            )
            async with _closing(chunks):
                async for chunk in chunks:
                    answered = True
                    if chunk.message.content:
                        yield chunk.message.content
                    done = done or bool(chunk.done)
                    # Left out by some versions where a prompt is known from before.
                    if chunk.done and chunk.prompt_eval_count is not None and chunk.eval_count is not None:
                        yield Usage(chunk.prompt_eval_count, chunk.eval_count)
        except _FAILURES as error:
            raise _provider_error(error, answered) from error
        if not done:
            raise failures.broken_off()

    async def load(self, model: str, context_length: int) -> AsyncGenerator[float, None]:
        """See `Loader.load`. What Ollama has is not fetched again."""
        answered = False
        try:
            if _full_name(model) not in _names(await self._client.list()):
                async with aclosing(self._fetch(model)) as fractions:
                    async for fraction in fractions:
                        answered = True
                        yield fraction * _FETCHING
            # Without a prompt it only loads; with other options than a prompt's it would be loaded again for that.
            await self._loading_client.generate(model, options=_options(context_length), keep_alive=_KEEP_ALIVE)
        except _FAILURES as error:
            raise _loading_error(error, answered) from error
        yield 1.0

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: asks what it has and holds in memory."""
        try:
            models, loaded = await self._client.list(), await self._client.ps()
        except _FAILURES as error:
            raise _provider_error(error, False) from error
        return Health(_names(models), _names(loaded), sum(model.size or 0 for model in loaded.models))

    async def close(self) -> None:
        """Closes the connections."""
        for client in (self._client, self._loading_client):
            await client.close()  # type: ignore[no-untyped-call]

    async def _fetch(self, model: str) -> AsyncGenerator[float, None]:
        """How much is fetched, of what is known so far that it takes: told anew whenever it is more."""
        sizes: dict[str, tuple[int, int]] = {}
        told, done = 0.0, False
        steps = await self._loading_client.pull(model, stream=True)
        async with _closing(steps):
            async for step in steps:
                done = step.status == "success"
                if not step.digest or not step.total:
                    continue
                sizes[step.digest] = (step.completed or 0, step.total)
                fraction = sum(size[0] for size in sizes.values()) / sum(size[1] for size in sizes.values())
                if told < fraction <= 1:
                    told = fraction
                    yield told
        if not done:
            raise failures.broken_off()


def _client(base_url: str, timeout: float) -> ollama.AsyncClient:
    patience = httpx.Timeout(timeout, connect=min(timeout, _CONNECT))
    return ollama.AsyncClient(base_url, timeout=patience, event_hooks={"response": [_split_at_line_feeds_alone]})


def _messages(prompt: Prompt) -> list[ollama.Message]:
    system = [ollama.Message(role="system", content=prompt.system)] if prompt.system else []
    return system + [ollama.Message(role=turn.role, content=turn.text) for turn in prompt.turns]


def _options(
    context_length: int | None, max_output_tokens: int | None = None, temperature: float | None = None
) -> ollama.Options:
    # Without `num_ctx`, what is longer than Ollama's default is cut without a word. Its temperatures have no range.
    return ollama.Options(num_ctx=context_length, num_predict=max_output_tokens, temperature=temperature)


def _names(answer: ollama.ListResponse | ollama.ProcessResponse) -> tuple[str, ...]:
    return tuple(model.model for model in answer.models if model.model)


def _full_name(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _closing(chunks: AsyncIterator[T]) -> aclosing[AsyncGenerator[T, None]]:
    # A generator by the client's own words, if not by its types.
    return aclosing(cast("AsyncGenerator[T, None]", chunks))


async def _split_at_line_feeds_alone(response: httpx.Response) -> None:
    """JSON may hold U+0085 as it is, which httpx takes for the end of a line: the client would read half an object."""
    setattr(response, "aiter_lines", partial(_lines, response))  # noqa: B010 # a method, to mypy


async def _lines(response: httpx.Response) -> AsyncGenerator[str, None]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    async for part in response.aiter_bytes():
        *lines, rest = (rest + decoder.decode(part)).split("\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _provider_error(error: Exception, answered: bool) -> ProviderError:
    """What `error` means, once the provider has `answered` or before."""
    match error:
        case ollama.ResponseError():
            return _refusal(error)
        case httpx.ConnectTimeout():
            return failures.unreachable()
        case httpx.TimeoutException():
            return failures.silent()
        case httpx.TransportError() | ConnectionError() if not answered:
            return failures.unreachable()
        case _:
            return failures.broken_off()


def _refusal(error: ollama.ResponseError) -> ProviderError:
    match error.status_code:
        case 401 | 403:
            return failures.key_refused()
        case 404 if "model" in str(error.error):
            return ProviderError("MODEL_NOT_LOADED", "the provider does not have the model: load it first")
        case 413:
            return failures.too_long()
        case 429:
            return failures.rate_limited(None)
        case 504:
            return failures.silent()
        case status if status >= 500:
            return failures.overloaded(status)
        case status if status >= 400:
            return failures.request_refused(status)
        case _:
            # In the middle of a stream.
            return failures.broken_off()


def _loading_error(error: Exception, answered: bool) -> ProviderError:
    if isinstance(error, ollama.ResponseError) and "file does not exist" in str(error.error):
        return ProviderError("MODEL_NOT_FOUND", "nobody has such a model for the provider to fetch")
    return _provider_error(error, answered)
