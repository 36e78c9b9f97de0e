"""How long to wait before asking again."""

from __future__ import annotations

import asyncio
import random
import time


class Backoff:
    """The pauses between the attempts of one outage: random, each drawn from a range twice as wide as the one before.

    Randomness over the whole range ("full jitter") keeps the clients of a server that restarts from returning all at
    once. Times are in seconds.
    """

    def __init__(self, patience: float, *, first: float = 0.05, longest: float = 5.0) -> None:
        self._patience = patience
        self._first = first
        self.longest = longest
        self._width = first
        self._began: float | None = None

    def restart(self) -> None:
        """The outage is over: the next failure begins another."""
        self._width = self._first
        self._began = None

    async def pause(self, *, at_least: float = 0.0) -> bool:
        """Waits before the next attempt, for `at_least` seconds where the server has said so.

        False, at once, when the outage has lasted longer than the patience, or would by then.
        """
        now = time.monotonic()
        if self._began is None:
            self._began = now
        left = self._began + self._patience - now
        if left <= at_least:
            return False
        pause = at_least + random.uniform(0, self._width)  # noqa: S311 - spreads load, guards nothing
        await asyncio.sleep(min(pause, left))
        self._width = min(self._width * 2, self.longest)
        return True
