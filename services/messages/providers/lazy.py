"""A provider that is opened when it is first asked: an SDK takes half a second of a process's start to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from services.messages.providers.port import Health, LoadingProvider, Prompt, Provider, Usage

ProviderT = TypeVar("ProviderT", bound=Provider)


class LazyProvider(Generic[ProviderT]):
    """A `Provider` that `open` opens, once, in a thread: what else goes on here does not wait for imports."""

    def __init__(self, open: Callable[[], ProviderT]) -> None:
        self._open = open
        self._opening: asyncio.Task[ProviderT] | None = None

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        async with aclosing((await self._opened()).stream(prompt)) as pieces:
            async for piece in pieces:
                yield piece

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`."""
        return await (await self._opened()).check(api_key)

    async def close(self) -> None:
        """See `Provider.close`."""
        if self._opening is not None:
            await (await self._opening).close()

    async def _opened(self) -> ProviderT:
        if self._opening is None:
            self._opening = asyncio.create_task(asyncio.to_thread(self._open))
        # Whoever is cancelled meanwhile was not the only one to wait for it.
        return await asyncio.shield(self._opening)


class LazyLoader(LazyProvider[LoadingProvider]):
    """The same of a provider that loads its models."""

    async def load(self, model: str, context_length: int) -> AsyncGenerator[float, None]:
        """See `Loader.load`."""
        async with aclosing((await self._opened()).load(model, context_length)) as fractions:
            async for fraction in fractions:
                yield fraction
