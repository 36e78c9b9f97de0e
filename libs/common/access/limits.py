"""How much callers may ask and have: the limits of the system configuration, and who has used how much of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llmchat.operations.v1.system_config_pb2 import SystemLimits

from libs.common.access.counts import Counts, InProcessCounts
from libs.common.context import Caller
from libs.common.errors import Exhausted

# Seconds after which a stream may be tried again: others end meanwhile.
_STREAM_RETRY = 3.0


class CountedLimits:
    """A `rpc.interceptors.limits.Limits`: a person's calls count as one, whatever they come in by.

    `current` are the limits in force, for services' own rules, too. A limit of 0 is none.
    """

    def __init__(self, initial: SystemLimits, counts: Counts | None = None) -> None:
        self._counts = counts or InProcessCounts()
        self.apply(initial)

    def apply(self, limits: SystemLimits) -> None:
        """Goes by `limits` from now on. What has been counted stays counted."""
        self.current = limits
        # Read once: reading a message's field at every call costs as much as counting.
        self._per_minute = limits.requests_per_minute
        self._per_hour = limits.requests_per_hour
        self._most_streams = limits.max_open_streams

    async def admit(self, caller: Caller, address: str) -> None:
        """See `Limits.admit`.

        Raises:
            Exhausted: there were too many (reason RATE_LIMITED), with the seconds to wait.
        """
        if caller.service or not (self._per_minute or self._per_hour):
            return
        seconds = await self._counts.take(caller.user_id or f"address:{address}", self._per_minute, self._per_hour)
        if seconds:
            raise Exhausted(
                f"too many requests: there is room again in {seconds:.0f} s", reason="RATE_LIMITED", retry_after=seconds
            )

    @asynccontextmanager
    async def stream(self, caller: Caller, address: str) -> AsyncIterator[None]:
        """See `Limits.stream`.

        Raises:
            Exhausted: too many are open already (reason TOO_MANY_STREAMS).
        """
        if caller.service:
            yield
            return
        who = caller.user_id or f"address:{address}"
        if not await self._counts.enter(who, self._most_streams):
            raise Exhausted(
                f"{self._most_streams} streams are open already",
                reason="TOO_MANY_STREAMS",
                retry_after=_STREAM_RETRY,
            )
        try:
            yield
        finally:
            self._counts.leave(who)
