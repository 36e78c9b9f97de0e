"""The provider port: a prompt in, the answer's pieces out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the context."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: oldest turn first, the question last. `temperature` is within 0..1, as stored.

    `api_key` is whose key the provider is asked with, where it takes keys: of this prompt alone, and never shown.
    """

    model: str
    system: str
    turns: tuple[Turn, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the provider says it counted, in its own tokens."""

    input_tokens: int
    output_tokens: int


class ProviderError(Exception):
    """The provider failed or refused. `code` is one of `MessageError.code`'s; the text holds no secret."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Provider(Protocol):
    """One maker of models."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """The answer, piece by piece; usage at most once. Closing the iterator ends the work upstream.

        Raises:
            ProviderError: before the first piece or between two.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...
