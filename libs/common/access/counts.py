"""Who has used how much: the port, and the counts of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Protocol, TypeVar

MINUTE, HOUR = 60.0, 3600.0


class Counts(Protocol):
    """Counts calls and open streams by `who`, any word for a caller. A limit of 0 is none.

    Calls are counted in windows of fixed length, a minute and an hour, each of which begins with the first call after
    the one before has ended.
    """

    async def take(self, who: str, per_minute: int, per_hour: int) -> float:
        """Counts a call and returns 0; or counts nothing and returns the seconds until there is room for one."""
        ...

    async def enter(self, who: str, most: int) -> bool:
        """Counts a stream as open until `leave`; or counts nothing and returns False where `most` are open."""
        ...

    def leave(self, who: str) -> None:
        """Counts one of the streams that have been entered here as closed."""
        ...


class InProcessCounts:
    """Counts of one process alone. Of more than `capacity` callers within an hour the first are forgotten."""

    def __init__(
        self,
        minute: float = MINUTE,
        hour: float = HOUR,
        *,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        minute: seconds of the shorter window.
        hour: seconds of the longer one.
        capacity: how many callers are remembered.
        clock: in seconds.
        """
        self._minute = minute
        self._hour = hour
        self._capacity = capacity
        self._clock = clock
        self._used: dict[str, _Used] = {}
        self._streams: dict[str, int] = {}

    async def take(self, who: str, per_minute: int, per_hour: int) -> float:
        """See `Counts.take`."""
        return self.count(who, per_minute, per_hour)

    def count(self, who: str, per_minute: int, per_hour: int) -> float:
        """As `take`, at once."""
        now = self._clock()
        used = self._used.get(who)
        if used is None or used.ends <= now:
            used = self._begin(who, now)
        if used.minute_ends <= now:
            used.minute_ends = now + self._minute
            used.in_minute = 0
        seconds = 0.0
        if per_hour and used.in_hour >= per_hour:
            seconds = used.ends - now
        if per_minute and used.in_minute >= per_minute:
            seconds = max(seconds, used.minute_ends - now)
        if seconds:
            return seconds
        used.in_minute += 1
        used.in_hour += 1
        return 0.0

    def _begin(self, who: str, now: float) -> _Used:
        """The longer window begins: in its place behind all that end before it."""
        used = self._used.pop(who, None) or _Used()
        make_room(self._used, self._capacity, now)
        used.ends = now + self._hour
        used.in_hour = 0
        self._used[who] = used
        return used

    async def enter(self, who: str, most: int) -> bool:
        """See `Counts.enter`."""
        is_open = self._streams.get(who, 0)
        if most and is_open >= most:
            return False
        self._streams[who] = is_open + 1
        return True

    def leave(self, who: str) -> None:
        """See `Counts.leave`."""
        left = self._streams[who] - 1
        if left:
            self._streams[who] = left
        else:
            del self._streams[who]


class _Used:
    """What one caller has used; `ends` is the end of the longer window."""

    __slots__ = ("ends", "in_hour", "in_minute", "minute_ends")

    def __init__(self) -> None:
        self.ends = 0.0
        self.in_hour = 0
        self.minute_ends = 0.0
        self.in_minute = 0


class _Ending(Protocol):
    @property
    def ends(self) -> float: ...


E = TypeVar("E", bound=_Ending)


def make_room(entries: MutableMapping[str, E], capacity: int, now: float) -> None:
    """Removes the oldest entries as long as they have ended or there are `capacity` of them."""
    while entries:
        oldest = next(iter(entries))
        if len(entries) < capacity and entries[oldest].ends > now:
            return
        del entries[oldest]
