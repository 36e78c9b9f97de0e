"""Work that goes on while a process serves, and ends only with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from libs.common.errors import Unavailable

_log = logging.getLogger(__name__)
_PAUSE = 1.0  # seconds until what failed begins again

Work = Callable[[], Awaitable[None]]


class Background:
    """What fails is logged and begins again; what returns has ended."""

    def __init__(self) -> None:
        self._works: list[Work] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, work: Work) -> None:
        """Has `work` begin with the others."""
        self._works.append(work)

    def start(self) -> None:
        """Begins all of it."""
        self._tasks = [asyncio.create_task(_supervised(work)) for work in self._works]

    async def stop(self) -> None:
        """Cancels what goes on, and waits until it has ended."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _supervised(work: Work) -> None:
    while True:
        try:
            await work()
            return
        except* Unavailable as away:
            _log.warning("background work begins again: %s", _first(away))
        except* Exception:
            _log.exception("background work failed and begins again")
        await asyncio.sleep(_PAUSE)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
