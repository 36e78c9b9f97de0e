"""The hub: live tokens, from generations to followers. A hint; the store is the truth.

Within a process they are handed over; to other replicas they travel over the bus, on a channel for each message.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from llmchat.messages.stored.v1 import stream_pb2

from libs.common.errors import Unavailable
from libs.common.events.bus import Bus, Delivery, Gap
from libs.common.token_text import join_tokens, split_tokens


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

    def hear(self, item: Delivery | Gap) -> None:
        """Takes what the bus brings: tokens that another replica has stored, or a hint to look into the store."""
        if isinstance(item, Gap) or not item.payload:
            self.look()
        else:
            live = stream_pb2.LiveTokens.FromString(item.payload)
            self.offer(LiveTokens(live.first_seq, split_tokens(live.tokens)))

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
            raise stopping()
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

    def __init__(self, follower_queue: int, bus: Bus | None = None) -> None:
        """`bus` leads to the other replicas; None where there are none."""
        self._follower_queue = follower_queue
        self._bus = bus
        # In the order in which they came.
        self._followers: defaultdict[str, dict[Follower, None]] = defaultdict(dict)
        self._closed = False

    @contextmanager
    def follow(self, message_id: str) -> Iterator[Follower]:
        """A follower of the message's tokens: it misses nothing that is published from here on."""
        follower = Follower(self._follower_queue)
        if self._closed:
            follower.close()
        self._followers[message_id][follower] = None
        try:
            yield follower
        finally:
            del self._followers[message_id][follower]
            if not self._followers[message_id]:
                del self._followers[message_id]

    @property
    def reaches_replicas(self) -> bool:
        """Whether a message may be generated in another process."""
        return self._bus is not None

    @asynccontextmanager
    async def listen(self, message_id: str, follower: Follower) -> AsyncIterator[None]:
        """Brings `follower` what other replicas publish of the message, or hints where something of it was lost."""
        assert self._bus is not None  # noqa: S101 # asked before: see `reaches_replicas`
        async with self._bus.subscribe(follower.hear, _channel(message_id)):
            yield

    def publish(self, message_id: str, live: LiveTokens) -> None:
        """Hands tokens that are stored to the message's followers, here and elsewhere."""
        for follower in self._followers.get(message_id, ()):
            follower.offer(live)
        if self._bus is not None:
            published = stream_pb2.LiveTokens(first_seq=live.first_seq, tokens=join_tokens(live.tokens))
            self._bus.publish(_channel(message_id), published.SerializeToString())

    def announce(self, message_id: str) -> None:
        """Tells the message's followers that it has changed otherwise: it began, it ended, it was taken over."""
        for follower in self._followers.get(message_id, ()):
            follower.look()
        if self._bus is not None:
            self._bus.publish(_channel(message_id), b"")

    async def close(self) -> None:
        """Sends every follower elsewhere, and those that come later too."""
        self._closed = True
        for followers in self._followers.values():
            for follower in followers:
                follower.close()


def stopping() -> Unavailable:
    """What a process that is stopping answers: another replica has the same."""
    return Unavailable("this replica is stopping: go on at another one", reason="STOPPING", retry_after=0.1)


def _channel(message_id: str) -> str:
    return f"tokens.{message_id}"
