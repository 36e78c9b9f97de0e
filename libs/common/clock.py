"""Time as documents keep it: UTC, in whole milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

# Milliseconds of the epoch. Handed in by the composition root, so that a test may hold time still.
Clock = Callable[[], int]


def wall_clock() -> int:
    """The system's time in milliseconds of the epoch."""
    return time.time_ns() // 1_000_000


def timestamp(ms: int) -> Timestamp:
    """`ms` milliseconds of the epoch, as documents hold it."""
    seconds, rest = divmod(ms, 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def milliseconds(stamp: Timestamp) -> int:
    """A document's time in milliseconds of the epoch; 0 where it is not set."""
    return stamp.seconds * 1000 + stamp.nanos // 1_000_000
