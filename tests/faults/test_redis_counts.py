"""Redis is killed, frozen, emptied, and counting processes die: each counts for itself meanwhile, and nobody waits."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from libs.common.access.counts import Counts
from libs.common.access.redis_counts import RedisCounts, open_redis_counts
from tests.faults.redis import Redis
from tests.integration.calling import eventually

# Seconds: long enough for a busy machine, where it is not to be seen that Redis is slow.
PATIENCE = 5.0
LEASE = 1.0
WHO = "user_ada"


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """One for the test alone."""
    redis = Redis()
    await redis.start()
    yield redis
    await redis.kill()


def counts_at(redis: Redis, *, patience: float = PATIENCE) -> AbstractAsyncContextManager[RedisCounts]:
    return open_redis_counts(redis.url, patience=patience, lease=LEASE)


async def passing(counts: Counts, who: str, per_minute: int) -> int:
    """How many calls pass before one is refused."""
    passed = 0
    while not await counts.take(who, per_minute, 0):
        passed += 1
    return passed


async def shared(one: Counts, other: Counts, who: str) -> bool:
    """Whether both count as one."""
    for number in range(1000):
        caller = f"{who}.{number}"
        if await one.take(caller, 1, 0) == 0:
            return await other.take(caller, 1, 0) > 0
    raise AssertionError("every caller was known already")


async def test_while_redis_is_killed_each_counts_for_itself(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with counts_at(redis) as one, counts_at(redis) as other:
        assert await passing(one, WHO, 5) == 5
        assert await passing(other, WHO, 5) == 0

        await redis.kill()
        assert await passing(one, "user_bob", 5) == 5
        assert await passing(other, "user_bob", 5) == 5

        await redis.start()
        names = iter(range(1000))
        await eventually(lambda: shared(one, other, f"user_{next(names)}"), bool)

    lines = [record.getMessage() for record in caplog.records if "does not count" in record.getMessage()]
    assert len(lines) == 2, "once for each"


async def test_nobody_waits_for_a_redis_that_is_frozen(redis: Redis) -> None:
    async with counts_at(redis, patience=0.05) as counts:
        await eventually(lambda: asks_redis(counts, redis), bool)
        redis.freeze()
        try:
            began = time.monotonic()
            assert await passing(counts, "user_bob", 500) == 500
            assert await counts.enter("user_bob", 1)
            # Once for as long as patience lasts, and then nobody asks.
            assert time.monotonic() - began < 2
        finally:
            redis.thaw()
        await eventually(lambda: asks_redis(counts, redis), bool)


async def test_a_redis_that_is_slow_at_the_start_is_counted_in_later(redis: Redis) -> None:
    redis.freeze()
    async with counts_at(redis) as one, counts_at(redis) as other:
        assert await passing(one, WHO, 5) == 5
        redis.thaw()
        names = iter(range(1000))
        await eventually(lambda: shared(one, other, f"user_{next(names)}"), bool)


async def test_a_redis_that_may_not_be_written_to_counts_nothing(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.execute("ACL", "SETUSER", "reader", "on", ">canary", "allchannels", "~*", "+@all", "-eval")
    url = redis.url.replace("redis://", "redis://reader:canary@")
    async with open_redis_counts(url, patience=PATIENCE) as counts:
        assert await passing(counts, WHO, 5) == 5
    assert "each process counts for itself" in caplog.text
    assert "canary" not in caplog.text


async def test_streams_of_a_process_that_died_are_forgotten(redis: Redis) -> None:
    async with counts_at(redis) as living, counts_at(redis) as other:
        # Left without a word, as by a kill.
        async with counts_at(redis) as dying:
            assert await dying.enter(WHO, 2)
        assert await living.enter(WHO, 2)
        assert not await living.enter(WHO, 2)

        assert await eventually(lambda: living.enter(WHO, 2), bool)

        # Those that live are renewed for as long as they are open.
        await asyncio.sleep(2 * LEASE)
        assert await eventually(lambda: is_full(other, 2), bool)


async def test_streams_that_redis_forgot_are_told_to_it_again(redis: Redis) -> None:
    async with counts_at(redis) as one, counts_at(redis) as other:
        assert await one.enter(WHO, 1)
        await redis.execute("FLUSHALL")

        assert await eventually(lambda: is_full(other, 1), bool)


async def is_full(counts: Counts, most: int) -> bool:
    """Whether no stream can be opened; one that can is closed again."""
    if await counts.enter(WHO, most):
        counts.leave(WHO)
        return False
    return True


async def asks_redis(counts: Counts, redis: Redis) -> bool:
    """Whether a call is counted there."""
    who = f"user_{uuid.uuid4().hex}"
    await counts.take(who, 1, 0)
    return bool(await redis.execute("EXISTS", f"llmchat.0.limits.minute.{who}"))
