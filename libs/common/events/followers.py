"""Who follows which channels over a connection that confirms every change by itself."""

from __future__ import annotations

import asyncio
from collections import Counter

from libs.common.events.bus import GAP, Delivery, Sink


class Follower:
    """A sink and its channels. Nothing is brought to it while one of them is unconfirmed."""

    def __init__(self, sink: Sink, channels: tuple[str, ...]) -> None:
        self.sink = sink
        self.channels = frozenset(channels)
        self.unconfirmed = set(channels)
        # Resolved when all channels are confirmed; cancelled by a subscriber that waits no longer.
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirm(self, channel: str) -> None:
        """One channel stands. The last one resolves `confirmed`, or tells of a gap where nobody waits for that."""
        if channel in self.unconfirmed:
            self.unconfirmed.remove(channel)
            if not self.unconfirmed and self.confirmed.done():
                self.sink(GAP)
            elif not self.unconfirmed:
                self.confirmed.set_result(None)


class Followers:
    """All followers of a process, their channels counted, and what the connection has yet to be told of them.

    `changed` is set while `changes` has something to tell. Each change that was told is answered once, in order: a
    channel that is left and followed again in quick succession stands when the last answer has come.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._following: dict[str, dict[Follower, None]] = {}
        self._touched: set[str] = set()
        self._subscribed: set[str] = set()
        self._unanswered: Counter[str] = Counter()

    def add(self, sink: Sink, *channels: str) -> Follower:
        """A new follower; its `confirmed` is resolved at once if all of its channels stand already."""
        follower = Follower(sink, channels)
        for channel in follower.channels:
            if channel not in self._following:
                self._following[channel] = {}
                self._touch(channel)
            self._following[channel][follower] = None
            if channel in self._subscribed and channel not in self._unanswered:
                follower.unconfirmed.remove(channel)
        if not follower.unconfirmed:
            follower.confirmed.set_result(None)
        return follower

    def remove(self, follower: Follower) -> None:
        """Nothing is brought to the follower any more."""
        for channel in follower.channels:
            del self._following[channel][follower]
            if not self._following[channel]:
                del self._following[channel]
                self._touch(channel)

    def changes(self) -> tuple[list[str], list[str]]:
        """The channels that the connection is now to subscribe and to unsubscribe."""
        self.changed.clear()
        touched, self._touched = self._touched, set()
        subscribe = sorted(one for one in touched if one in self._following and one not in self._subscribed)
        unsubscribe = sorted(one for one in touched if one not in self._following and one in self._subscribed)
        self._subscribed.update(subscribe)
        self._subscribed.difference_update(unsubscribe)
        self._unanswered.update(subscribe)
        self._unanswered.update(unsubscribe)
        return subscribe, unsubscribe

    def answered(self, channel: str) -> None:
        """The connection has confirmed one change of the channel."""
        self._unanswered[channel] -= 1
        if self._unanswered[channel] == 0:
            del self._unanswered[channel]
            if channel in self._subscribed:
                for follower in tuple(self._following.get(channel, ())):
                    follower.confirm(channel)

    def disconnected(self) -> None:
        """The connection is gone, and every subscription with it: the next one is to be told of all channels."""
        self._subscribed.clear()
        self._unanswered.clear()
        for channel, followers in self._following.items():
            self._touch(channel)
            for follower in followers:
                follower.unconfirmed.add(channel)

    def deliver(self, delivery: Delivery) -> None:
        """Brings the delivery to those who follow its channel."""
        for follower in tuple(self._following.get(delivery.channel, ())):
            if not follower.unconfirmed:
                follower.sink(delivery)

    def tell_gap(self, channel: str | None) -> None:
        """Tells those who follow the channel, or everybody, that something may be missing."""
        channels = self._following if channel is None else {channel} & self._following.keys()
        for follower in dict.fromkeys(follower for one in channels for follower in self._following[one]):
            if not follower.unconfirmed:
                follower.sink(GAP)

    def _touch(self, channel: str) -> None:
        self._touched.add(channel)
        self.changed.set()
