"""Redis is killed, frozen, emptied while it remembers answers: nobody waits, and what is out of date is not shown."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ListThreadsRequest, UpdateThreadRequest

from libs.common.caching.port import Cache
from libs.common.caching.redis_cache import RedisCache, open_redis_cache
from tests.faults.redis import Redis
from tests.integration.accounts import account
from tests.integration.branching import ask
from tests.integration.calling import eventually
from tests.integration.conftest import open_house

# Seconds: long enough for a busy machine, where it is not to be seen that Redis is slow.
PATIENCE = 5.0
SCOPE = "threads.user_ada"


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """One for the test alone."""
    redis = Redis()
    await redis.start()
    yield redis
    await redis.kill()


def cache_at(redis: Redis, *, patience: float = PATIENCE) -> AbstractAsyncContextManager[RedisCache]:
    return open_redis_cache(redis.url, patience=patience)


async def remembers(cache: Cache, value: bytes, seconds: int = 600) -> bool:
    """Puts the value, if that can be; whether it is found then."""
    version, _ = await cache.look(SCOPE, b"key")
    if version is not None:
        cache.put(SCOPE, b"key", version, value, seconds)
    return await found(cache) == value


async def found(cache: Cache) -> bytes | None:
    return (await cache.look(SCOPE, b"key")).value


async def version_of(cache: Cache) -> int | None:
    return (await cache.look(SCOPE, b"key")).version


async def test_while_redis_is_killed_nothing_is_found_and_it_is_used_again_afterwards(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with cache_at(redis) as cache:
        assert await remembers(cache, b"before")
        await redis.kill()
        await eventually(lambda: version_of(cache), lambda version: version is None)
        assert not await remembers(cache, b"meanwhile")

        await redis.start()
        await eventually(lambda: remembers(cache, b"after"), bool)

    lines = [record.getMessage() for record in caplog.records if "remembers nothing" in record.getMessage()]
    assert len(lines) == 1


async def test_nobody_waits_for_a_redis_that_is_frozen_and_what_is_forgotten_meanwhile_is(redis: Redis) -> None:
    async with cache_at(redis, patience=0.05) as writer, cache_at(redis) as reader:
        await eventually(lambda: remembers(writer, b"old"), bool)
        assert await found(reader) == b"old"
        redis.freeze()
        try:
            began = time.monotonic()
            writer.forget(SCOPE)
            for _ in range(500):
                assert await found(writer) is None
            # Once for as long as patience lasts, and then nobody asks.
            assert time.monotonic() - began < 2
        finally:
            redis.thaw()
        # Not even once is it there again for who had it forgotten.
        await eventually(lambda: version_of(writer), lambda version: version is not None)
        assert await found(writer) is None
        assert await found(reader) is None


async def test_what_one_could_not_have_forgotten_ends_with_its_seconds_for_others(redis: Redis) -> None:
    """The writer is cut off from Redis, the reader is not."""
    await redis.execute("ACL", "SETUSER", "writer", "on", ">canary", "allchannels", "~*", "+@all")
    url = redis.url.replace("redis://", "redis://writer:canary@")
    async with cache_at(redis) as reader, open_redis_cache(url, patience=PATIENCE) as writer:
        assert await remembers(writer, b"short", 2)
        assert await found(reader) == b"short"
        await redis.execute("ACL", "SETUSER", "writer", "off")
        await redis.execute("ACL", "SETUSER", "writer", "-@all")
        await redis.execute("CLIENT", "KILL", "USER", "writer")
        began = time.monotonic()
        writer.forget(SCOPE)

        assert await found(writer) is None
        await eventually(lambda: found(reader), lambda value: value is None)
        assert time.monotonic() - began < 4

        # What it owes it pays when it may again.
        assert await remembers(reader, b"long")
        await redis.execute("ACL", "SETUSER", "writer", "on", "+@all")
        await eventually(lambda: found(reader), lambda value: value is None)


async def test_a_redis_that_is_emptied_or_loses_keys_forgets(redis: Redis) -> None:
    async with cache_at(redis) as cache:
        for pattern in ("*", "*cache.version*", "*cache.value*"):
            assert await remembers(cache, b"value")
            for key in await redis.execute("KEYS", pattern):
                await redis.execute("DEL", key)
            assert await found(cache) is None


async def test_what_is_forgotten_last_before_the_end_is(redis: Redis) -> None:
    async with cache_at(redis) as reader:
        async with cache_at(redis) as writer:
            assert await remembers(writer, b"old")
            writer.forget(SCOPE)
        assert await found(reader) is None


async def test_with_redis_away_lists_are_read_and_after_the_gap_settings_are_asked_for_anew(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes: what is written at one is read at the other."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    shared: dict[str, Any] = {"bus_url": redis.url, "shared_cache": True}
    async with open_house(tmp_path, **shared) as one, open_house(tmp_path, **shared) as other:
        here = await account(one)
        there = await other.person(here.user_id)
        thread = await here.threads.CreateThread(CreateThreadRequest(title="0"))

        async def change(title: str, temperature: float) -> None:
            changed = Thread(id=thread.id, title=title, settings=ThreadSettings(temperature=temperature))
            mask = FieldMask(paths=["title", "settings.temperature"])
            await here.threads.UpdateThread(UpdateThreadRequest(thread=changed, update_mask=mask))

        async def listed() -> list[str]:
            return [one.title for one in (await there.threads.ListThreads(ListThreadsRequest())).threads]

        async def temperature() -> float:
            return (await ask(there, thread.id, "Hello")).temperature

        await change("1", 0.1)
        await eventually(temperature, lambda value: value == 0.1)
        await eventually(listed, lambda titles: titles == ["1"])

        await redis.kill()
        await change("2", 0.2)
        assert await listed() == ["2"]
        # Nobody has told of it; settings hold for five minutes.
        assert await temperature() == 0.1

        await redis.start()
        await eventually(temperature, lambda value: value == 0.2, within=30)
        await change("3", 0.3)
        await eventually(listed, lambda titles: titles == ["3"])
