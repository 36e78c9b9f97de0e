"""The provider port: a prompt in, the answer's pieces out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from math import inf
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the context."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: oldest turn first, the question last. `temperature` is within 0..1, as stored.

    `context_length` is the model's, in tokens. `api_key` is whose key the provider is asked with, where it takes keys:
    of this prompt alone, and never shown.
    """

    model: str
    system: str
    turns: tuple[Turn, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    context_length: int | None = None
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider says it counted, in its own tokens."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Health:
    """What a provider that answers says of itself. `models` are those that it has, where they are on this machine;
    `loaded_models` those that it holds in memory, which take `memory_usage` bytes.
    """

    models: tuple[str, ...] = ()
    loaded_models: tuple[str, ...] = ()
    memory_usage: int = 0


class ProviderError(Exception):
    """The provider failed or refused. `code` is one of `MessageError.code`'s; the text holds no secret.

    `retry_after` is in seconds: how long the provider asks to wait, where it does and where that is a time. `retries`
    is how often it was asked again before it failed for good.
    """

    def __init__(self, code: str, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry_after = retry_after if retry_after is not None and 0 <= retry_after < inf else None
        self.retries = 0


class Provider(Protocol):
    """One maker of models."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """The answer, piece by piece; usage once, the last figures that the provider gave. No piece is empty. What is
        no text, calls of tools among it, is left out. Closing the iterator closes the connection upstream.

        Raises:
            ProviderError: before the first piece or between two.
        """
        ...

    async def check(self, api_key: str) -> Health:
        """Asks the provider for as little as shows that it answers, with `api_key` where it takes keys.

        Raises:
            ProviderError: it does not, or refuses the key.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...


@runtime_checkable
class Loader(Protocol):
    """A provider on this machine, which has its models fetched and loaded."""

    def load(self, model: str, context_length: int) -> AsyncGenerator[float, None]:
        """Fetches the model where it is missing and loads it into memory, with room for so many tokens. Tells how far
        it is, from 0 to 1, and last that it is there: 1.

        Closing the iterator ends the fetching; what was fetched is kept, and not fetched again.

        Raises:
            ProviderError: it fails, or there is no such model to fetch (code MODEL_NOT_FOUND, which no answer has).
        """
        ...


@runtime_checkable
class LoadingProvider(Provider, Loader, Protocol):
    """Both."""
