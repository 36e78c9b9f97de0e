"""How a process learns who is out: by the bus at once, from the users service for certain."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from llmchat.access.v1.access_service_pb2 import ListRevocationsRequest, Revocation

from libs.common.clock import milliseconds, timestamp
from libs.common.errors import DomainError
from libs.common.events.bus import Bus, Delivery
from libs.common.events.subscription import subscribed
from libs.common.rpc.interceptors.revocations import Revocations

if TYPE_CHECKING:
    from llmchat.access.v1.access_service_pb2_grpc import AccessServiceAsyncStub

_log = logging.getLogger(__name__)

CHANNEL = "revocations"
# A revocation is dated before its commit, by a clock that may be apart from the one of the last look.
_OVERLAP_MS = 60_000
_FIRST_LOOK_SECONDS = 2.0


class RevocationFeed:
    """Keeps `revocations` up to date.

    A hint on the bus is applied at once. A look at the users service follows every gap and comes every `interval`
    seconds (give or take a quarter) in any case: so with the bus away a person who is out stays in for that long at
    most, and with the users service away as well until their access token expires.
    """

    def __init__(self, revocations: Revocations, access: AccessServiceAsyncStub, bus: Bus, *, interval: float) -> None:
        self._revocations = revocations
        self._access = access
        self._bus = bus
        self._interval = interval
        self._since = 0

    async def look_first(self) -> None:
        """Asks for what stands before anyone is served, for two seconds at most."""
        try:
            async with asyncio.timeout(_FIRST_LOOK_SECONDS):
                await self._look()
        except (DomainError, TimeoutError) as error:
            _log.warning("it is not known yet who is out: the users service does not answer (%s)", error)

    async def run(self) -> None:
        """Follows until cancelled."""
        asked = asyncio.Event()
        async with subscribed(self._bus, CHANNEL) as items, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_forever(asked))
            async for item in items:
                if isinstance(item, Delivery):
                    self._revocations.apply(Revocation.FromString(item.payload))
                else:
                    asked.set()

    async def _look_forever(self, asked: asyncio.Event) -> None:
        while True:
            asked.clear()
            try:
                await self._look()
            except DomainError as error:
                _log.debug("the users service does not say who is out: %s", error.text)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval * random.uniform(0.75, 1.25)):  # noqa: S311 # jitter
                    await asked.wait()

    async def _look(self) -> None:
        request = ListRevocationsRequest(since=timestamp(max(0, self._since - _OVERLAP_MS)))
        while True:
            page = await self._access.ListRevocations(request)
            for revocation in page.revocations:
                self._revocations.apply(revocation)
                self._since = max(self._since, milliseconds(revocation.revoked_at))
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
