"""What goes wrong with commits, when a test wants it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum


class Fate(Enum):
    """What becomes of a commit."""

    ANSWERED = "applied and answered"
    DROPPED = "applied, and the answer does not arrive"
    LOST = "the request does not arrive"
    ABORTED = "refused, as if it had met another"


async def nothing() -> None:
    """Nothing happens."""


class Faults:
    """The fates of the next commits, in turn; of those after them by chance, from a seed.

    Attributes:
        coming: The next ones.
        aborting: How likely it is that a commit is aborted.
        dropping: How likely it is that the answer to one is dropped.
        meanwhile: What happens before whoever sent a commit hears that it was lost or its answer dropped.
    """

    def __init__(self, *, aborting: float = 0.0, dropping: float = 0.0, seed: int = 0) -> None:
        self.coming: deque[Fate] = deque()
        self.aborting = aborting
        self.dropping = dropping
        self.meanwhile: Callable[[], Awaitable[None]] = nothing
        self._random = random.Random(seed)  # noqa: S311 # the same in every run

    def next(self) -> Fate:
        """The fate of the commit that comes now."""
        if self.coming:
            return self.coming.popleft()
        chance = self._random.random()
        if chance < self.aborting:
            return Fate.ABORTED
        return Fate.DROPPED if chance < self.aborting + self.dropping else Fate.ANSWERED
