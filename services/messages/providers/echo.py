"""The echo model: built in, offline, for development. It repeats the question, word by word, at a steady pace."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from services.messages.providers.port import Health, Prompt, Usage

_MAX_TOKENS = 8000
# A word with the space before it; what is longer than a word usually is comes in pieces.
_WORD = re.compile(r"\s*\S{1,24}|\s+")


class EchoProvider:
    """Deterministic: the same question gives the same tokens. `tokens_per_second` 0 means as fast as it can."""

    def __init__(self, tokens_per_second: float) -> None:
        self._pause = 1 / tokens_per_second if tokens_per_second else 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """The last turn's text; see `Provider.stream`."""
        tokens = echo_tokens(prompt.turns[-1].text)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for token in tokens:
            # Paced by the clock rather than by pauses, so that a late wake-up is made up for.
            due += self._pause
            await asyncio.sleep(max(0, due - loop.time()))
            yield token
        yield Usage(sum(len(turn.text) for turn in prompt.turns) // 4, len(tokens))

    async def check(self, api_key: str) -> Health:
        """Always well."""
        return Health()

    async def close(self) -> None:
        """Nothing to let go of."""


def echo_tokens(text: str) -> list[str]:
    """The tokens that the echo model makes of a question: they join to exactly the question."""
    words = _WORD.findall(text)
    size = -(-len(words) // _MAX_TOKENS) or 1
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]
