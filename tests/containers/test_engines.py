"""Servers in containers: where a Docker engine answers and has the images, all tests of that process take them."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.conformance.places import Place
from tests.conformance.specimens import THREADS, put, thread
from tests.engines import containers
from tests.engines.running import Engines


async def test_redis_answers_in_a_container() -> None:
    with containers.REDIS.serve() as served:
        async with Redis.from_url(served.url) as redis:
            assert await redis.ping()


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
async def test_a_store_is_kept_in_a_container(engine: str, engines: Engines) -> None:
    assert engines(engine).what.endswith("in a container")
    place = Place(engines(engine).url, "threads")

    store = await place.open()
    await store.commit([put(thread("t1", title="Kept"), 0)])
    await store.close()

    again = await place.open()
    stored = await again.get(THREADS, "t1")
    await again.close()
    assert stored is not None
    assert stored.message.title == "Kept"
