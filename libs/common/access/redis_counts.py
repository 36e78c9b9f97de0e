"""Counts that all processes share, in the Redis of their bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

from ulid import ULID

from libs.common.access.counts import HOUR, MINUTE, InProcessCounts, make_room
from libs.common.access.redis_commands import RedisCommands, Words
from libs.common.events.redis_address import RedisAddress

# Seconds that an opening process waits for Redis.
_OPENING = 1.0
# A process takes so many calls of a caller at once that what is left unused in it is at most a hundredth of the limit.
_BATCHED_FROM = 200
_LARGEST_BATCH = 1000
# Callers whose streams are renewed at once.
_CALLERS_AT_ONCE = 100

_WORDS = Words(
    away="does not count; until it does each process counts for itself",
    back="counts again",
    probe="limits.probe",
)

# KEYS: the windows' counters. ARGV: how many calls are wanted; then of each window its limit and its milliseconds.
# Answers how many are granted, and until when: milliseconds to the end of the window that ends first, or, where none is
# granted, of the last one that is full.
_TAKE = """
local granted, first, full = tonumber(ARGV[1]), nil, 0
for i, key in ipairs(KEYS) do
  local left = tonumber(ARGV[2 * i]) - tonumber(redis.call('GET', key) or 0)
  local ends = redis.call('PTTL', key)
  if ends < 0 then ends = tonumber(ARGV[2 * i + 1]) end
  if left <= 0 then full = math.max(full, ends + 1) end
  granted, first = math.min(granted, left), math.min(first or ends, ends)
end
if full > 0 then return {0, full} end
for i, key in ipairs(KEYS) do
  if redis.call('INCRBY', key, granted) == granted then redis.call('PEXPIRE', key, ARGV[2 * i + 1]) end
end
return {granted, first}
"""

# KEYS: a caller's streams, by when they are forgotten. ARGV: how many may be open, milliseconds to that, a stream.
_ENTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

# KEYS: as above. ARGV: milliseconds, and streams that are open.
_RENEW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""


@asynccontextmanager
async def open_redis_counts(
    url: str,
    minute: float = MINUTE,
    hour: float = HOUR,
    *,
    patience: float = 0.05,
    lease: float = 15.0,
    capacity: int = 100_000,
) -> AsyncIterator[RedisCounts]:
    """Counts in the Redis at `url`, which is read as the bus reads it, until the context is left.

    Args:
        url: of the bus.
        minute: seconds of the shorter window.
        hour: seconds of the longer one.
        patience: seconds that a call waits for Redis; where it takes longer, each process counts for itself meanwhile.
        lease: seconds after which the streams of a process that died are forgotten.
        capacity: how many callers this process remembers something of.

    Raises:
        Invalid: the URL is malformed.
    """
    commands = RedisCommands(RedisAddress(url), patience, _WORDS)
    counts = RedisCounts(commands, minute, hour, lease, capacity)
    tasks = [asyncio.create_task(work()) for work in (commands.run, counts.run)]
    try:
        await commands.first_verdict(_OPENING)
        yield counts
        await commands.flush()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


class RedisCounts:
    """A `Counts` of all processes together.

    A call costs no round trip where the limit is 200 or more: a process takes a hundredth of it at once, and what it
    has not used when the window ends is lost. That a window is full is remembered until it ends.
    """

    def __init__(self, commands: RedisCommands, minute: float, hour: float, lease: float, capacity: int) -> None:
        self._commands = commands
        self._prefix = f"{commands.prefix}limits"
        self._minute_ms, self._hour_ms = int(minute * 1000), int(hour * 1000)
        self._lease = lease
        self._capacity = capacity
        self._meanwhile = InProcessCounts(minute, hour, capacity=capacity)
        self._allowances: dict[str, _Allowance] = {}
        # By caller: the streams that are open in this process.
        self._streams: dict[str, set[str]] = {}
        self._most_streams = 0
        self._process, self._numbers = str(ULID()).lower(), count()

    async def take(self, who: str, per_minute: int, per_hour: int) -> float:
        """See `Counts.take`."""
        now, limits = time.monotonic(), (per_minute, per_hour)
        held = self._held(who, now, limits)
        if held is not None and held.calls:
            held.calls -= 1
            return 0.0
        if held is not None and held.is_refusal:
            return held.ends - now
        answer = await self._ask(who, per_minute, per_hour)
        if answer is None:
            return self._meanwhile.count(who, per_minute, per_hour)
        granted, milliseconds = answer
        # What other calls of the caller have brought meanwhile.
        held = self._held(who, now, limits)
        if granted:
            if held is not None and not held.is_refusal:
                held.calls += granted - 1
                held.ends = min(held.ends, now + milliseconds / 1000)
            elif granted > 1:
                self._hold(who, now, _Allowance(limits, granted - 1, now + milliseconds / 1000))
            return 0.0
        if held is not None and held.calls:
            held.calls -= 1
            return 0.0
        seconds: float = milliseconds / 1000
        self._hold(who, now, _Allowance(limits, 0, time.monotonic() + seconds))
        return seconds

    async def enter(self, who: str, most: int) -> bool:
        """See `Counts.enter`. A stream that is opened while Redis is away counts there once it is back."""
        self._most_streams = most
        if most and len(self._streams.get(who, ())) >= most:
            return False
        stream = f"{self._process}.{next(self._numbers)}"
        if most:
            try:
                answer = await self._commands.ask(
                    "EVAL", _ENTER, 1, self._streams_key(who), most, int(self._lease * 1000), stream
                )
            except asyncio.CancelledError:
                self._remove(who, stream)
                raise
            if answer == 0 or (answer is None and len(self._streams.get(who, ())) >= most):
                return False
        self._streams.setdefault(who, set()).add(stream)
        return True

    def leave(self, who: str) -> None:
        """See `Counts.leave`."""
        streams = self._streams[who]
        self._remove(who, streams.pop())
        if not streams:
            del self._streams[who]

    async def run(self) -> None:
        """Renews the streams that are open, until cancelled."""
        period = self._lease / 3
        while True:
            callers = tuple(self._streams)
            for number, who in enumerate(callers):
                if number % _CALLERS_AT_ONCE == 0:
                    # Spread over the period: calls wait behind what is sent.
                    await asyncio.sleep(period * _CALLERS_AT_ONCE / max(_CALLERS_AT_ONCE, len(callers)))
                streams = self._streams.get(who)
                if streams and self._most_streams:
                    lease_ms = int(self._lease * 1000)
                    self._commands.tell("EVAL", _RENEW, 1, self._streams_key(who), lease_ms, *streams)
            if not callers:
                await asyncio.sleep(period)

    async def _ask(self, who: str, per_minute: int, per_hour: int) -> tuple[int, int] | None:
        windows = (("minute", per_minute, self._minute_ms), ("hour", per_hour, self._hour_ms))
        limited = [window for window in windows if window[1]]
        lowest = min(limit for _, limit, _ in limited)
        wanted = 1 if lowest < _BATCHED_FROM else min(lowest // 100, _LARGEST_BATCH)
        keys = [f"{self._prefix}.{name}.{who}" for name, _, _ in limited]
        terms = [term for _, limit, milliseconds in limited for term in (limit, milliseconds)]
        answer = await self._commands.ask("EVAL", _TAKE, len(keys), *keys, wanted, *terms)
        return None if answer is None else (answer[0], answer[1])

    def _held(self, who: str, now: float, limits: tuple[int, int]) -> _Allowance | None:
        held = self._allowances.get(who)
        return held if held is not None and held.ends > now and held.limits == limits else None

    def _hold(self, who: str, now: float, allowance: _Allowance) -> None:
        self._allowances.pop(who, None)
        make_room(self._allowances, self._capacity, now)
        self._allowances[who] = allowance

    def _streams_key(self, who: str) -> str:
        return f"{self._prefix}.streams.{who}"

    def _remove(self, who: str, stream: str) -> None:
        if self._most_streams:
            self._commands.tell("ZREM", self._streams_key(who), stream)


class _Allowance:
    """Calls that this process may let through until `ends` without asking, or the refusal of all until then.

    Both are good for the limits that were in force.
    """

    __slots__ = ("calls", "ends", "is_refusal", "limits")

    def __init__(self, limits: tuple[int, int], calls: int, ends: float) -> None:
        self.limits = limits
        self.calls = calls
        self.ends = ends
        self.is_refusal = calls == 0
