"""A provider whose answers are measured."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs.common.telemetry.metrics import Metrics
from services.messages.providers.port import Health, LoadingProvider, Prompt, Provider, ProviderError, Usage


class MeasuredProvider:
    """A `Provider` that measures another: how its answers end, how soon they begin, what they count."""

    def __init__(self, provider: Provider, name: str, metrics: Metrics) -> None:
        """`name` is the maker's: `openai`."""
        self._provider = provider
        self._name = name
        self._metrics = metrics

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        began, is_begun = time.perf_counter(), False
        # Who closes the iterator before its end has left.
        outcome = "LEFT"
        try:
            async with aclosing(self._provider.stream(prompt)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Usage):
                        self._count(piece)
                    elif not is_begun:
                        is_begun = True
                        first = self._metrics.provider_first_token_seconds.labels(self._name)
                        first.observe(time.perf_counter() - began)
                    yield piece
            outcome = "COMPLETE"
        except ProviderError as error:
            outcome = error.code
            raise
        finally:
            self._metrics.provider_answers.labels(self._name, outcome).inc()
            self._metrics.provider_seconds.labels(self._name).observe(time.perf_counter() - began)

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`."""
        return await self._provider.check(api_key)

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._provider.close()

    def _count(self, usage: Usage) -> None:
        self._metrics.provider_tokens.labels(self._name, "input").inc(usage.input_tokens)
        self._metrics.provider_tokens.labels(self._name, "output").inc(usage.output_tokens)


class MeasuredLoader(MeasuredProvider):
    """The same for a provider on this machine."""

    def __init__(self, provider: LoadingProvider, name: str, metrics: Metrics) -> None:
        super().__init__(provider, name, metrics)
        self._loader = provider

    async def load(self, model: str, context_length: int) -> AsyncGenerator[float, None]:
        """See `Loader.load`."""
        async with aclosing(self._loader.load(model, context_length)) as fractions:
            async for fraction in fractions:
                yield fraction
