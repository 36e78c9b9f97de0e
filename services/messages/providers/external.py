"""The provider of models whose answers are written outside: it has none to give when it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.messages.providers.port import Health, Prompt, ProviderError, Usage


class ExternalProvider:
    """Answers of its models are claimed and written by generators; see `services.messages.external`."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """Refuses: see `Provider.stream`."""
        raise ProviderError("REFUSED", "the answers of this model are written outside, and are not to be asked for")
        yield ""

    async def check(self, api_key: str) -> Health:
        """Always well: who writes the answers comes for them."""
        return Health()

    async def close(self) -> None:
        """Nothing to let go of."""
