"""What every count of calls and streams does. Each test runs in one process and, over a real Redis, between two."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import cycle

import pytest

from libs.common.access.counts import Counts, InProcessCounts
from libs.common.access.redis_counts import open_redis_counts

# Seconds: longer than any test waits, so that only Redis itself is asked here.
PATIENCE = 30.0

# Opens the counts of the processes, with the lengths of the two windows.
Opening = Callable[[float, float], AbstractAsyncContextManager[list[Counts]]]


@pytest.fixture(params=["in_process", "redis", "redis_between_two"])
def opening(request: pytest.FixtureRequest) -> Opening:
    ends = {"in_process": 0, "redis": 1, "redis_between_two": 2}[request.param]
    url = request.getfixturevalue("redis_url") if ends else ""

    @asynccontextmanager
    async def opened(minute: float, hour: float) -> AsyncIterator[list[Counts]]:
        async with AsyncExitStack() as stack:
            shared = [open_redis_counts(url, minute, hour, patience=PATIENCE) for _ in range(ends)]
            yield [await stack.enter_async_context(one) for one in shared] or [InProcessCounts(minute, hour)]

    return opened


@pytest.fixture
async def counts(opening: Opening) -> AsyncIterator[list[Counts]]:
    async with opening(60, 3600) as counts:
        yield counts


@pytest.fixture
def who() -> str:
    """A caller that no other test has."""
    return f"user_{uuid.uuid4().hex}"


async def granted(counts: list[Counts], who: str, per_minute: int, per_hour: int, calls: int) -> int:
    """How many of the calls pass, made to the processes in turn."""
    ends = cycle(counts)
    return sum([not await next(ends).take(who, per_minute, per_hour) for _ in range(calls)])


async def test_as_many_calls_pass_as_the_limit_says(counts: list[Counts], who: str) -> None:
    assert await granted(counts, who, 5, 0, 10) == 5
    assert await granted(counts, f"{who}.another", 5, 0, 10) == 5


async def test_the_lower_of_two_limits_counts(counts: list[Counts], who: str) -> None:
    assert await granted(counts, who, 10, 5, 10) == 5
    assert await granted(counts, f"{who}.another", 5, 10, 10) == 5


async def test_who_is_refused_hears_when_there_is_room_and_is_not_counted(counts: list[Counts], who: str) -> None:
    assert await granted(counts, who, 3, 5, 3) == 3
    for one in counts * 5:
        assert 0 < await one.take(who, 3, 5) <= 60.01

    assert await granted(counts, who, 0, 5, 10) == 2
    for one in counts:
        assert 60.01 < await one.take(who, 0, 5) <= 3600.01


async def test_there_is_room_again_after_the_time_that_was_said(opening: Opening, who: str) -> None:
    async with opening(0.3, 3600) as counts:
        for _ in range(3):
            seconds = 0.0
            while not seconds:
                seconds = await counts[0].take(who, 3, 0)
            assert seconds <= 0.31
            await asyncio.sleep(seconds)
            assert await counts[-1].take(who, 3, 0) == 0


async def test_the_longer_limit_goes_on_over_many_short_windows(opening: Opening, who: str) -> None:
    async with opening(0.02, 3600) as counts:
        passed = 0
        for _ in range(10):
            passed += await granted(counts, who, 2, 5, 3)
            await asyncio.sleep(0.03)
        assert passed == 5
        assert await counts[0].take(who, 2, 5) > 3000


async def test_a_limit_that_is_changed_counts_at_once(counts: list[Counts], who: str) -> None:
    assert await granted(counts, who, 3, 0, 10) == 3
    assert await granted(counts, who, 5, 0, 10) == 2
    assert await granted(counts, who, 4, 0, 10) == 0


async def test_a_large_limit_is_kept_and_used_up(counts: list[Counts], who: str) -> None:
    passed = await granted(counts, who, 1000, 5000, 1500)

    # A process takes ten at once, so it may be left with nine.
    assert 1000 - 9 * (len(counts) - 1) <= passed <= 1000


async def test_calls_at_the_same_time_are_counted_one_by_one(counts: list[Counts], who: str) -> None:
    async def call(number: int) -> bool:
        return not await counts[number % len(counts)].take(who, 400, 0)

    passed = sum(await asyncio.gather(*map(call, range(1000))))

    assert 400 - 3 * (len(counts) - 1) <= passed <= 400


async def test_as_many_streams_are_open_as_the_limit_says(counts: list[Counts], who: str) -> None:
    ends = cycle(counts)
    assert [await next(ends).enter(who, 4) for _ in range(6)] == [True] * 4 + [False] * 2
    assert await counts[0].enter(f"{who}.another", 4)

    counts[0].leave(who)
    await asyncio.sleep(0)
    opened = 0
    async with asyncio.timeout(10):
        while not opened:
            # Another process hears of it in a moment.
            opened = await counts[-1].enter(who, 4)
    assert not await counts[0].enter(who, 4)


async def test_streams_without_a_limit_are_as_many_as_one_likes(counts: list[Counts], who: str) -> None:
    assert all([await counts[0].enter(who, 0) for _ in range(100)])
    for _ in range(100):
        counts[0].leave(who)
    assert await counts[0].enter(who, 1)
