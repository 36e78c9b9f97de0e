"""What every cache does. Each test runs in one process and, over a real Redis, in one and between two."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from libs.common.caching.in_process_cache import InProcessCache
from libs.common.caching.port import Cache
from libs.common.caching.redis_cache import open_redis_cache
from tests.integration.calling import eventually

# Seconds: longer than any test waits, so that a busy machine is not taken for a Redis that is away.
PATIENCE = 30.0
LONG = 600


@pytest.fixture(params=["in_process", "redis", "redis_between_two"])
def urls(request: pytest.FixtureRequest) -> list[str]:
    """The Redis of each process; none: one process without."""
    ends = {"in_process": 0, "redis": 1, "redis_between_two": 2}[request.param]
    return [request.getfixturevalue("redis_url")] * ends if ends else []


@pytest.fixture
async def caches(urls: list[str]) -> AsyncIterator[list[Cache]]:
    """The caches of the processes: what one puts the others find."""
    async with AsyncExitStack() as stack:
        opened = [open_redis_cache(url, patience=PATIENCE) for url in urls]
        yield [await stack.enter_async_context(one) for one in opened] or [InProcessCache()]


@pytest.fixture
def scope() -> str:
    """A scope that no other test has."""
    return f"threads.user_{uuid.uuid4().hex}"


async def put(cache: Cache, scope: str, key: bytes, value: bytes, seconds: int = LONG) -> None:
    cache.put(scope, key, await version_of(cache, scope), value, seconds)


async def version_of(cache: Cache, scope: str) -> int:
    """The scope's version, once what is to be forgotten is."""

    async def look() -> int | None:
        return (await cache.look(scope, b"")).version

    version = await eventually(look, lambda version: version is not None)
    assert version is not None
    return version


async def found(cache: Cache, scope: str, key: bytes) -> bytes | None:
    return (await cache.look(scope, key)).value


async def test_what_is_put_is_found_by_its_scope_and_key(caches: list[Cache], scope: str) -> None:
    assert await found(caches[-1], scope, b"key") is None
    await put(caches[0], scope, b"key", b"a value \0 of bytes")

    await eventually(lambda: found(caches[-1], scope, b"key"), lambda value: value == b"a value \0 of bytes")
    assert await found(caches[-1], scope, b"another") is None
    assert await found(caches[-1], f"{scope}.another", b"key") is None


async def test_an_empty_value_is_one_too(caches: list[Cache], scope: str) -> None:
    await put(caches[0], scope, b"", b"")
    await eventually(lambda: found(caches[-1], scope, b""), lambda value: value == b"")


async def test_a_scope_is_forgotten_as_a_whole_and_alone(caches: list[Cache], scope: str) -> None:
    other = f"{scope}.another"
    for key in (b"one", b"two"):
        await put(caches[0], scope, key, key)
        await put(caches[0], other, key, key)
    await eventually(lambda: found(caches[-1], other, b"two"), bool)

    caches[0].forget(scope)

    assert await found(caches[0], scope, b"one") is None
    for key in (b"one", b"two"):
        await eventually(lambda key=key: found(caches[-1], scope, key), lambda value: value is None)  # type: ignore[misc]
        assert await found(caches[-1], other, key) == key


async def test_the_last_of_two_values_holds(caches: list[Cache], scope: str) -> None:
    await put(caches[0], scope, b"key", b"first")
    await put(caches[0], scope, b"key", b"second")
    await eventually(lambda: found(caches[-1], scope, b"key"), lambda value: value == b"second")


async def test_what_was_read_before_a_scope_was_forgotten_is_not_remembered(caches: list[Cache], scope: str) -> None:
    """Between the look and the put somebody wrote: elsewhere, or here."""
    for writer in caches:
        await put(caches[-1], scope, b"another", b"there")
        version = await version_of(caches[-1], scope)

        writer.forget(scope)
        await eventually(lambda: found(caches[-1], scope, b"another"), lambda value: value is None)
        caches[-1].put(scope, b"key", version, b"old", LONG)
        # What is sent after it is there: so is it, or never.
        await put(caches[-1], scope, b"another", b"there again")
        await eventually(lambda: found(caches[-1], scope, b"another"), bool)

        for cache in caches:
            assert await found(cache, scope, b"key") is None


async def test_a_value_ends_after_its_seconds(caches: list[Cache], scope: str) -> None:
    await put(caches[0], scope, b"short", b"value", 1)
    await put(caches[0], scope, b"long", b"value", LONG)
    async with asyncio.timeout(10):
        while await found(caches[-1], scope, b"short") is not None:
            await asyncio.sleep(0.05)
    assert await found(caches[-1], scope, b"long") == b"value"


async def test_a_version_never_comes_back(caches: list[Cache], scope: str) -> None:
    versions = set()
    for _ in range(20):
        versions.add(await version_of(caches[0], scope))
        caches[0].forget(scope)
    assert len(versions) == 20


async def test_readers_never_find_what_was_before_the_last_write(caches: list[Cache], scope: str) -> None:
    """Readers and a writer at the same time, over a store that is a number."""
    stored = 0

    async def read(cache: Cache) -> int:
        version, value = await cache.look(scope, b"key")
        if value is not None:
            return int(value)
        number = stored
        await asyncio.sleep(0)
        if version is not None:
            cache.put(scope, b"key", version, b"%d" % number, LONG)
        return number

    async def read_for_ever(cache: Cache) -> None:
        while True:
            await read(cache)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read_for_ever(cache)) for cache in caches for _ in range(5)]
        for number in range(1, 100):
            stored = number
            caches[0].forget(scope)
            # The writer's own process at once.
            assert await read(caches[0]) == number
            await asyncio.sleep(0.001)
        for cache in caches:
            await eventually(lambda cache=cache: read(cache), lambda number: number == stored)  # type: ignore[misc]
        for reader in readers:
            reader.cancel()
