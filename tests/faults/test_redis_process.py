"""A Redis that a process starts for itself ends with it, however it ends."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from libs.client.redis_process import redis_serving
from libs.common.errors import Precondition, Unavailable
from tests.faults.redis import Redis
from tests.integration.calling import eventually

STARTS_ONE = """
import asyncio
from libs.client.redis_process import redis_serving

async def main():
    async with redis_serving() as redis:
        print(redis.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def listens(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    except OSError:
        return False
    writer.close()
    return True


async def test_it_ends_when_its_context_is_left() -> None:
    async with redis_serving() as redis:
        assert await listens(redis.url)
    assert redis.process.returncode is not None
    assert not await listens(redis.url)


async def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTS_ONE, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    assert await listens(url)
    process.kill()
    await process.wait()
    await eventually(lambda: listens(url), lambda listening: not listening)


async def test_a_port_that_is_taken_is_refused_though_a_redis_answers_there(tmp_path: Path) -> None:
    redis = Redis()
    await redis.start()
    with pytest.raises(Unavailable) as refused:
        async with redis_serving(redis.port, log=tmp_path / "redis.log"):
            pass
    assert refused.value.reason == "REDIS_DID_NOT_START"
    assert "in use" in (tmp_path / "redis.log").read_text()
    await redis.kill()


async def test_where_there_is_none_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Precondition) as refused:
        async with redis_serving():
            pass
    assert "install" in refused.value.text
