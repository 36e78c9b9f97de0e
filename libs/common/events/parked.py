"""Parked events in sight: whether any of a service's events waits for a person, told again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from libs.common.documents.documents import Documents
from libs.common.documents.system import OUTBOX
from libs.common.store.port import Query


async def watch_parked(documents: Documents, interval: float, tell: Callable[[bool], Awaitable[None]]) -> None:
    """Tells whether something is parked, at once and every `interval` seconds, until cancelled.

    It is read from the store: another replica may have parked or replayed it, or an earlier process.
    """
    query = Query.where(OUTBOX, order="next_attempt_at", is_parked=True, limit=1)
    while True:
        await tell(bool(await documents.query(query)))
        await asyncio.sleep(interval)
