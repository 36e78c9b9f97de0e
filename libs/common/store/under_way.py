"""What a store has under way, in tasks of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class UnderWay:
    """Calls that go on where their caller is cancelled, who hears of it at once, and no other way.

    Drivers swallow cancellations: before Python 3.12 `asyncio.wait_for` does, where what it waits for has just ended.
    Whoever was to end would then go on for ever.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """What the call returns or raises; CancelledError is the caller's own."""
        return await asyncio.shield(self.begin(call))

    def begin(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins a call that need not be waited for."""
        task = asyncio.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def wait(self) -> None:
        """Until all have ended, and what they began."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that is gone asks no more
