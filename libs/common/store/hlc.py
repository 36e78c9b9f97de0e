"""The hybrid logical clock: wall time that never repeats and never goes back, in one 64-bit number."""

from __future__ import annotations

from libs.common.clock import Clock

_COUNTER_BITS = 16


class HybridClock:
    """Readings are milliseconds of the epoch shifted left by 16, and a counter below; each is above every earlier one.

    More than 65,536 readings in a millisecond run into the next one's numbers, so order is kept and time hardly lies.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def tick(self) -> int:
        """A new reading, above all that were given or observed."""
        self._last = max(self._clock() << _COUNTER_BITS, self._last + 1)
        return self._last

    def observe(self, reading: int) -> None:
        """Takes note of a reading given elsewhere, or before a restart: later ones are above it."""
        self._last = max(self._last, reading)
