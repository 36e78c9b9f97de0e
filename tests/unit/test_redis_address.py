"""Where Redis is: its host is found without holding up anything else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from libs.common.events.redis_address import RedisAddress


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that does not answer for the host `redis.silent`, until the test is over."""
    over = threading.Event()
    find = socket.getaddrinfo

    def asked(host: str, *question: Any, **more: Any) -> Any:
        if host == "redis.silent":
            over.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return find(host, *question, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    yield
    over.set()


@pytest.mark.usefixtures("silence")
async def test_a_name_server_that_does_not_answer_holds_up_no_other_host() -> None:
    address = RedisAddress("redis://redis.silent")
    for _ in range(40):
        with pytest.raises(TimeoutError):
            async with address.connected(0.001):
                pass

    async with asyncio.timeout(10):
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 5432)
