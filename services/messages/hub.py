"""The hub: live tokens, from the generations of this process to the followers in it. A hint; the store is the truth."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from libs.common.errors import Unavailable


@dataclass(frozen=True, slots=True)
class LiveTokens:
    """Consecutive tokens that have just been stored, the first of them numbered `first_seq`."""

    first_seq: int
    tokens: Sequence[str]


class Follower:
    """One reader's bounded queue. A reader that falls behind loses its live tokens and is sent to the store."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: deque[LiveTokens] = deque()
        self._look = False
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, live: LiveTokens) -> None:
        """Queues `live`, or drops all that is queued when it does not fit."""
        if len(self._queue) >= self._size:
            self.look()
        else:
            self._queue.append(live)
            self._wake()

    def look(self) -> None:
        """Tells the reader that the store has news."""
        self._queue.clear()
        self._look = True
        self._wake()

    def close(self) -> None:
        """Tells the reader to go on elsewhere."""
        self._closed = True
        self._wake()

    async def take(self, patience: float) -> list[LiveTokens]:
        """What is queued, once there is something; empty when the reader should look into the store.

        That is also so after `patience` seconds of silence.

        Raises:
            Unavailable: the process is stopping.
        """
        if not (self._queue or self._look or self._closed):
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(patience, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._closed:
            raise Unavailable("this replica is stopping: resume the stream", reason="STOPPING", retry_after=0.1)
        if self._look:
            self._look = False
            return []
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Hub:
    """The followers of this process, by message id."""

    def __init__(self, follower_queue: int) -> None:
        self._follower_queue = follower_queue
        self._followers: defaultdict[str, set[Follower]] = defaultdict(set)
        self._closed = False

    @contextmanager
    def follow(self, message_id: str) -> Iterator[Follower]:
        """A follower of the message's tokens: it misses nothing that is published from here on."""
        follower = Follower(self._follower_queue)
        if self._closed:
            follower.close()
        self._followers[message_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[message_id].discard(follower)
            if not self._followers[message_id]:
                del self._followers[message_id]

    def publish(self, message_id: str, live: LiveTokens) -> None:
        """Hands tokens that are stored to the message's followers."""
        for follower in self._followers.get(message_id, ()):
            follower.offer(live)

    def announce(self, message_id: str) -> None:
        """Tells the message's followers that it has changed otherwise: it began, or it ended."""
        for follower in self._followers.get(message_id, ()):
            follower.look()

    async def close(self) -> None:
        """Sends every follower elsewhere, and those that come later too."""
        self._closed = True
        for followers in self._followers.values():
            for follower in followers:
                follower.close()
