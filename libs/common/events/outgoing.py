"""What waits to be published: bounded, the newest kept, and no loss without a word about it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from libs.common.events.bus import Delivery

# The channel on which a publisher names a channel on which it lost something: nothing stands for every channel.
GAPS = "bus.gaps"

# What a message counts for beside its payload, and what is sent at once: little enough that a connection which takes
# nothing holds little.
_OVERHEAD = 256
_BATCH_BYTES = 256 * 1024
# Beyond so many channels all are named at once.
_MOST_NAMED = 1000


class Outgoing:
    """A queue of `most_bytes` that drops the oldest when it is full, and everything while it is closed.

    `filled` is set while something waits, `idle` while nothing does or is under way.
    """

    def __init__(self, most_bytes: int) -> None:
        self.filled = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self._most_bytes = most_bytes
        self._open = False
        self._first: list[Delivery] = []
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._lost: set[str] = set()

    def open(self) -> None:
        """What is put from now on is kept; what was lost before is told first."""
        self._open = True
        if self._lost:
            self.filled.set()

    def close(self) -> None:
        """Nobody takes from the queue now: what waits is lost, as is what comes."""
        self._open = False
        self.lose(self._waiting)
        self._first.clear()
        self._waiting.clear()
        self._bytes = 0
        self.filled.clear()
        self.idle.set()

    def put(self, message: Delivery) -> None:
        """Adds a message at the end."""
        if not self._open:
            self.lose([message])
            return
        self._waiting.append(message)
        self._bytes += _size(message)
        while self._bytes > self._most_bytes:
            oldest = self._waiting.popleft()
            self._bytes -= _size(oldest)
            self.lose([oldest])
        self.filled.set()
        self.idle.clear()

    def put_first(self, message: Delivery) -> None:
        """Adds a message that passes all others; it is dropped where the queue is closed."""
        if self._open:
            self._first.append(message)
            self.filled.set()

    def take(self) -> list[Delivery]:
        """The messages to send next: one at least if `filled` was set. `lose` them, or say that they are `sent`."""
        batch = [*self._first, *(Delivery(GAPS, channel.encode()) for channel in sorted(self._lost))]
        self._first.clear()
        self._lost.clear()
        size = 0
        while self._waiting and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += _size(batch[-1])
        self._bytes -= size
        if not self._waiting:
            self.filled.clear()
        return batch

    def sent(self) -> None:
        """All that was taken is sent."""
        if not self._waiting:
            self.idle.set()

    def lose(self, messages: Iterable[Delivery]) -> None:
        """Remembers that nobody knows whether these arrived."""
        for message in messages:
            self._lost.add(message.payload.decode() if message.channel == GAPS else message.channel)
        if len(self._lost) > _MOST_NAMED or "" in self._lost:
            self._lost = {""}


def _size(message: Delivery) -> int:
    return len(message.payload) + _OVERHEAD
