"""A real Redis that is killed, frozen and started again at the same port."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import redis.asyncio

from libs.client.redis_process import RedisProcess, redis_serving


class Redis:
    """Not running at first, then at one `url` for as long as it exists."""

    def __init__(self) -> None:
        self.url = ""
        self._stack = AsyncExitStack()
        self._running: RedisProcess | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it has been started."""
        return int(self.url.rpartition(":")[2])

    async def start(self) -> None:
        """Returns once it answers."""
        port = self.port if self.url else None
        self._running = await self._stack.enter_async_context(redis_serving(port))
        self.url = self._running.url

    async def kill(self) -> None:
        """SIGKILL; returns once it is gone."""
        await self._stack.aclose()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def execute(self, *command: str) -> Any:
        """The answer to a command, over a connection of its own."""
        async with self.client() as execute:
            return await execute(*command)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        """What executes commands, all over one connection."""
        async with redis.asyncio.from_url(self.url, single_connection_client=True) as client:
            yield client.execute_command

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.process.send_signal(number)
