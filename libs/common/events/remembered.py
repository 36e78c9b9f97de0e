"""What another service knows, remembered for a while: asked once, and again when it has, or may have, changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from libs.common.errors import DeadlineExceeded, Unavailable
from libs.common.events.bus import Delivery, Gap
from libs.common.telemetry.lookups import Lookups

V = TypeVar("V")

# What those watch who remember settings, of whatever collection: the ids of the documents whose settings have changed.
SETTINGS = "settings"

_log = logging.getLogger(__name__)


class Remembered(Generic[V]):
    """Values by the id of what they are about, each as `ask` gave it, for `seconds` and at most `most` of them.

    What is told to `hear` is asked anew when it is wanted next; after a gap everything is. An answer that was under way
    meanwhile, about whatever, is given to who waits for it and not remembered. While the service that knows is away,
    what it said last holds on, however long ago that was.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[V]],
        *,
        seconds: float,
        most: int,
        lookups: Lookups,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        ask: asks the service that knows.
        seconds: for which an answer is good at most.
        most: answers that are kept; one more, and the one that was asked for first is forgotten.
        lookups: counts how often a value is remembered when it is wanted.
        now: in seconds.
        """
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._lookups = lookups
        self._now = now
        # In the order in which they were asked for.
        self._known: dict[str, tuple[float, V]] = {}
        # How often something was forgotten.
        self._forgotten = 0

    async def get(self, id: str) -> V:
        """The value, from memory where it is good.

        Raises:
            DomainError: what `ask` raised. That its service is away only where nothing is remembered.
        """
        known = self._known.get(id)
        if known is not None and self._now() - known[0] < self._seconds:
            self._lookups.count("process")
            return known[1]
        self._lookups.count("nowhere")
        try:
            return await self.ask(id)
        except (Unavailable, DeadlineExceeded) as error:
            # Unless it was forgotten meanwhile.
            known = self._known.get(id)
            if known is None:
                raise
            _log.warning("what was known of %s holds on: %s", id, error.text)
            return known[1]

    async def ask(self, id: str) -> V:
        """The value as it is now, remembered from here on.

        Raises:
            DomainError: what `ask` raised.
        """
        forgotten = self._forgotten
        value = await self._ask(id)
        if forgotten == self._forgotten:
            self._remember(id, value)
        return value

    def hear(self, item: Delivery | Gap) -> None:
        """Takes what the bus brings: the id of what has changed, or that something may be missing."""
        self._forgotten += 1
        if isinstance(item, Gap):
            self._known.clear()
        else:
            self._known.pop(item.payload.decode(errors="replace"), None)

    def _remember(self, id: str, value: V) -> None:
        self._known.pop(id, None)
        self._known[id] = (self._now(), value)
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
