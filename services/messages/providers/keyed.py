"""A provider that takes keys of its customers, asked with the right one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from services.messages.provider_keys import ProviderKeys
from services.messages.providers.port import Health, Prompt, Provider, ProviderError, Usage


class KeyedProvider:
    """A `Provider` that puts a key to each prompt for another, and reports a key that this one refuses."""

    def __init__(self, provider: Provider, keys: ProviderKeys) -> None:
        self._provider = provider
        self._keys = keys

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`; also fails as `ProviderKeys.choose` does."""
        key = await self._keys.choose()
        try:
            async with aclosing(self._provider.stream(replace(prompt, api_key=key.secret))) as pieces:
                async for piece in pieces:
                    yield piece
        except ProviderError as error:
            if error.code == "AUTHENTICATION":
                await self._keys.report(key)
            raise

    async def check(self, api_key: str) -> Health:
        """See `Provider.check`: with the installation's key in place of none; also fails as its lookup does."""
        return await self._provider.check(api_key or self._keys.installations().secret)

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._provider.close()
