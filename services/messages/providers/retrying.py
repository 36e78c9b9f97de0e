"""A provider that may fail in a way that passes, asked again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from services.messages.providers.port import Health, LoadingProvider, Prompt, Provider, ProviderError, Usage

# Seconds: the first pause, which doubles; how long a provider may ask to wait; how long a person may have to.
_FIRST_PAUSE = 0.5
_LONGEST_WAIT = 10
_TOTAL = 30


class RetryingProvider:
    """A `Provider` that asks another one up to `retries` times more, as long as it has not said anything yet.

    Tried again is what is OVERLOADED, or RATE_LIMITED where the provider says that it is so for a few seconds only. A
    TIMEOUT is not: the provider has the prompt, and somebody has waited long enough already.
    """

    def __init__(self, provider: Provider, retries: int) -> None:
        self._provider = provider
        self._retries = retries

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`; what it raises tells how often was tried again."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + _TOTAL
        made = 0
        while True:
            begun = False
            try:
                async with aclosing(self._provider.stream(prompt)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ProviderError as error:
                error.retries = made
                pause = _pause(error, made)
                if begun or made == self._retries or pause is None or loop.time() + pause > gives_up_at:
                    raise
            await asyncio.sleep(pause)
            made += 1

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: asked once."""
        return await self._provider.check(api_key)

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._provider.close()


class RetryingLoader(RetryingProvider):
    """The same of a provider that loads its models, which it is asked to do once."""

    def __init__(self, provider: LoadingProvider, retries: int) -> None:
        super().__init__(provider, retries)
        self._loader = provider

    def load(self, model: str, context_length: int) -> AsyncGenerator[float, None]:
        """See `Loader.load`."""
        return self._loader.load(model, context_length)


def _pause(error: ProviderError, made: int) -> float | None:
    """Seconds until the next try, no fewer than asked for; None where none is worth it."""
    asked = error.retry_after
    if error.code not in ("OVERLOADED", "RATE_LIMITED") or (asked or 0) > _LONGEST_WAIT:
        return None
    # A limit without a time may be one for the day, or for what is paid.
    if error.code == "RATE_LIMITED" and asked is None:
        return None
    pause: float = _FIRST_PAUSE * 2**made
    return max(asked or 0, pause / 2) + random.uniform(0, pause / 2)  # noqa: S311 # not all who were refused at once
