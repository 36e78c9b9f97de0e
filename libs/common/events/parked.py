"""Events in sight: how many of a service wait for their consumers, and how many for a person, told again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from libs.common.documents.documents import Documents
from libs.common.documents.system import OUTBOX
from libs.common.store.port import Query


async def watch_events(documents: Documents, interval: float, tell: Callable[[int, int], Awaitable[None]]) -> None:
    """Tells how many events are unsettled and how many parked, at once and every `interval` seconds, until cancelled.

    It is read from the store: another replica may have parked or replayed them, or an earlier process.
    """
    unsettled = Query.where(OUTBOX, order="next_attempt_at", is_parked=False)
    parked = Query.where(OUTBOX, order="next_attempt_at", is_parked=True)
    while True:
        await tell(await documents.store.count(unsettled), await documents.store.count(parked))
        await asyncio.sleep(interval)
