"""How many threads a person may have."""

from __future__ import annotations

import time

from libs.common.access.counts import make_room
from libs.common.access.limits import CountedLimits
from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted
from libs.common.store.port import Query
from services.threads.collections import THREADS

# Seconds for which a count is good, and by what part of the room that it found.
_FRESH = 2.0
_PART = 10
_CAPACITY = 10_000


class Room:
    """Refuses threads beyond the limit.

    A count costs the more, the more threads there are, so one is good for the next calls here, too: for a tenth of the
    room, and two seconds. A person who opens threads at several replicas within that time may have so many too many;
    and so may one whose calls come at the same moment, which do not see each other's threads.
    """

    def __init__(self, limits: CountedLimits) -> None:
        self._limits = limits
        self._free: dict[str, _Free] = {}

    async def require(self, unit: Unit, user_id: str) -> None:
        """Returns where the person may have one more.

        Raises:
            Exhausted: they may not (reason TOO_MANY_THREADS).
        """
        most, now = self._limits.current.max_threads_per_user, time.monotonic()
        if not most:
            return
        free = self._free.get(user_id)
        if free is not None and free.most == most and free.ends > now and free.threads:
            free.threads -= 1
            return
        self._free.pop(user_id, None)
        count = await unit.count(Query.where(THREADS, order="rank", user_id=user_id))
        if count >= most:
            raise Exhausted(f"a person may have {most} threads: delete one first", reason="TOO_MANY_THREADS")
        threads = (most - count) // _PART - 1
        if threads > 0:
            make_room(self._free, _CAPACITY, now)
            self._free[user_id] = _Free(most, threads, now + _FRESH)


class _Free:
    """What may be opened until `ends` without counting, under a limit of `most`."""

    __slots__ = ("ends", "most", "threads")

    def __init__(self, most: int, threads: int, ends: float) -> None:
        self.most = most
        self.threads = threads
        self.ends = ends
