"""How long the records of requests and of handled events are kept, and the removal of what is past its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from libs.common.documents.documents import Documents
from libs.common.documents.system import INBOX, REQUESTS
from libs.common.documents.unit import Unit
from libs.common.store.port import CollectionSpec, Cursor, Query

M = TypeVar("M", bound=Message)

# A repeated request is recognised for a day, a redelivered event for longer than any owner redelivers it.
REQUESTS_KEPT_MS = 24 * 3600 * 1000
INBOX_KEPT_MS = 7 * 24 * 3600 * 1000
_LOOK_SECONDS = 3600
_PAGE = 200


class Retention:
    """Removes what is past its time, page by page, when a process starts and every hour."""

    def __init__(self, documents: Documents, expiring: Sequence[CollectionSpec[Any]] = ()) -> None:
        """`expiring`: collections whose documents say themselves when, in `expires_at`, by which they are indexed."""
        self._documents = documents
        self._expiring = tuple(expiring)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.remove_expired()
            await asyncio.sleep(_LOOK_SECONDS)

    async def remove_expired(self) -> None:
        """One look; returns once nothing is left that is past its time."""
        await self._remove_older(REQUESTS, "created_at", REQUESTS_KEPT_MS)
        await self._remove_older(INBOX, "updated_at", INBOX_KEPT_MS)
        for spec in self._expiring:
            await self._remove_older(spec, "expires_at", 0)

    async def _remove_older(self, spec: CollectionSpec[M], order: str, kept_ms: int) -> None:
        async def page(unit: Unit) -> bool:
            # From this moment backwards.
            before = Cursor(unit.now - kept_ms, "")
            query = Query.where(spec, order=order, descending=True, after=before, limit=_PAGE)
            expired = await unit.query(query)
            for document in expired:
                unit.delete(spec, document.id)  # type: ignore[attr-defined]
            return len(expired) == _PAGE

        while await self._documents.unit(page):
            pass
