"""Calls that are under way in tasks of their own, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class UnderWay:
    """Calls that go on where their caller is cancelled, who hears of it at once, and no other way.

    Drivers swallow cancellations: before Python 3.12 `asyncio.wait_for` does, where what it waits for has just ended.
    Whoever was to end would then go on for ever.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called: nothing may be handed in any more."""
        return self._closing is not None

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """What the call returns or raises; CancelledError is the caller's own."""
        return await asyncio.shield(self.begin(call))

    def begin(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins a call that need not be waited for."""
        task = asyncio.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, let_go: Callable[[], Awaitable[None]]) -> None:
        """Waits until all have ended, and what they began, then lets go, once however often it is called."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(let_go))
        await asyncio.shield(self._closing)

    async def ended(self) -> None:
        """Returns once nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _close(self, let_go: Callable[[], Awaitable[None]]) -> None:
        await self.ended()
        await let_go()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that is gone asks no more
