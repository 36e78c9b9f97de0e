"""Several processes at one SQLite file: whose turn it is to write, and how to wait while another is in the way."""

from __future__ import annotations

import fcntl
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.01


class Turn:
    """Whose turn it is to write, among the processes that have a file open: the kernel's lock on a file beside it.

    SQLite's own lock keeps the file right but has no queue: who polls it never meets the instant between two commits
    of a process that commits all the time. This one wakes who waits, and a process that dies lets go of it.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file beside the database at `path`.

        Raises:
            OSError: it cannot be made.
        """
        self._lock = path.with_name(f"{path.name}-turn").open("a")

    def take(self) -> bool:
        """Takes the turn if nobody has it."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody has it; should it be anything else, `wait` tells
            return False
        return True

    def wait(self) -> None:
        """Blocks until the turn is taken.

        Raises:
            OSError: it cannot be.
        """
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def pass_on(self) -> None:
        """Lets the next one have it."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the file, and of the turn if it was taken."""
        self._lock.close()


def busy(error: Exception) -> bool:
    """Whether another connection was in the way, so that the same may work a little later."""
    # The low byte: extended codes tell what the other one does.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF == sqlite3.SQLITE_BUSY


def pauses(patience: float) -> Iterator[float]:
    """Seconds to pause before each next try, growing and uneven, until `patience` seconds after the first."""
    end = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while time.monotonic() < end:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 (no secret)
        pause = min(2 * pause, _LONGEST_PAUSE)


def patiently(work: Callable[[], T], patience: float) -> T:
    """What `work` returns, tried again while another connection is in the way; blocks for up to `patience` seconds.

    Raises:
        sqlite3.Error: as `work` does.
    """
    waits = pauses(patience)
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            pause = next(waits, None) if busy(error) else None
            if pause is None:
                raise
        time.sleep(pause)
