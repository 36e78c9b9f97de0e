"""How long to wait before a call is made again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

_FIRST = 0.01
_LONGEST = 1.0


def pauses(patience: float) -> Iterator[float]:
    """Seconds to pause before each next try, growing and uneven, until `patience` seconds after the first."""
    end = time.monotonic() + patience
    pause = _FIRST
    while time.monotonic() < end:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
        pause = min(2 * pause, _LONGEST)
