"""The bus port: hints that travel fast and may be lost. Nothing that matters is carried by the bus alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was published: on which channel, and the bytes."""

    channel: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Deliveries may be missing before this: a connection was replaced, or a queue was full. The store knows."""


GAP = Gap()


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a bus is doing: whether it reaches other processes at all and is up, and the seconds that its last message to
    itself took; None where there is none.
    """

    is_shared: bool
    is_up: bool
    latency: float | None = None


# Takes what a subscription brings. It is called on the event loop, one item at a time and in order; it must return at
# once and may not raise.
Sink = Callable[[Delivery | Gap], None]


class Bus(Protocol):
    """At-most-once delivery to those subscribed at the time, in the order of each publisher."""

    def publish(self, channel: str, payload: bytes) -> None:
        """Hands `payload` to the channel's subscribers, this process's among them.

        It returns at once and never fails: what cannot be delivered is lost. It never calls a sink by itself: that
        happens in a later turn of the loop.
        """
        ...

    def pulse(self) -> Pulse:
        """How it is doing, as far as is known."""
        ...

    def subscribe(self, sink: Sink, *channels: str) -> AbstractAsyncContextManager[None]:
        """Brings what is published on the channels to `sink` while the context is open.

        Confirmed when the context is entered: nothing published after that is missed without a `Gap`. Where the bus is
        away the context is entered all the same after a moment, and a `Gap` follows as soon as the subscription stands.
        """
        ...
