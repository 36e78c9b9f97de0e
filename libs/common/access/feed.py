"""How a process keeps up with what another service knows: by the bus at once, by asking for certain."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Protocol

from libs.common.errors import DomainError
from libs.common.events.bus import Bus, Delivery
from libs.common.events.subscription import subscribed

_log = logging.getLogger(__name__)

_FIRST_LOOK_SECONDS = 2.0


class Followed(Protocol):
    """What is kept up with. `what` names it in logs."""

    what: str
    channel: str

    def hear(self, hint: bytes) -> bool:
        """Takes what the bus brings; False where that says only that it is time to look."""
        ...

    async def look(self) -> None:
        """Asks the service that knows.

        Raises:
            DomainError: it does not answer.
        """
        ...


class Feed:
    """Keeps up with `followed`.

    A look follows every gap on the bus and comes every `interval` seconds (give or take a quarter) in any case: so with
    the bus away this process is behind by that much at most.
    """

    def __init__(self, followed: Followed, bus: Bus, interval: float) -> None:
        self._followed = followed
        self._bus = bus
        self._interval = interval

    async def look_first(self) -> None:
        """Asks before anyone is served, for two seconds at most."""
        try:
            async with asyncio.timeout(_FIRST_LOOK_SECONDS):
                await self._followed.look()
        except (DomainError, TimeoutError) as error:
            _log.warning("it is not known yet %s: the service does not answer (%s)", self._followed.what, error)

    async def run(self) -> None:
        """Follows until cancelled."""
        asked = asyncio.Event()
        async with subscribed(self._bus, self._followed.channel) as items, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_forever(asked))
            async for item in items:
                if not (isinstance(item, Delivery) and self._followed.hear(item.payload)):
                    asked.set()

    async def _look_forever(self, asked: asyncio.Event) -> None:
        while True:
            asked.clear()
            try:
                await self._followed.look()
            except DomainError as error:
                _log.debug("it is not known %s: %s", self._followed.what, error.text)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval * random.uniform(0.75, 1.25)):  # noqa: S311 # jitter
                    await asked.wait()
