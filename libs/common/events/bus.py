"""The bus port: hints that travel fast and may be lost. Nothing that matters is carried by the bus alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was published: on which channel, and the bytes."""

    channel: str
    payload: bytes


class Bus(Protocol):
    """At-most-once delivery to those subscribed at the time; a slow subscriber loses what does not fit its queue."""

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hands `payload` to the channel's subscribers; never waits for them and never fails for want of one."""
        ...

    def subscribe(self, *channels: str) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """A subscription that is confirmed when the context is entered: nothing published after that is missed."""
        ...
