"""The time a call may take: the caller's deadline, or for unary calls that carry none the server's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from libs.common import errors

R = TypeVar("R")


def deadline_in(seconds: float | None) -> float | None:
    """A deadline `seconds` from now on the clock of `time.monotonic`; None for none."""
    return None if seconds is None else time.monotonic() + seconds


async def within(seconds: float, work: Awaitable[R]) -> R:
    """The result of `work`.

    Raises:
        DeadlineExceeded: it took longer than `seconds`, and has been cancelled.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise errors.DeadlineExceeded(f"the call took longer than {seconds:g} s") from None
        raise
