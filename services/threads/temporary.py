"""Temporary threads: they go by themselves once their time has come, with all that hangs on them."""

from __future__ import annotations

import asyncio
import logging

from llmchat.threads.stored.v1.temporary_thread_pb2 import TemporaryThread
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import milliseconds
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import DomainError, Invalid
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from libs.common.store.port import Cursor, Query
from services.threads.collections import TEMPORARY_THREADS, THREADS
from services.threads.removal import delete

_log = logging.getLogger(__name__)

_PAGE = 20
_LONGEST_MS = 366 * 24 * 3600 * 1000


async def keep_until(unit: Unit, thread: Thread) -> None:
    """Stages that the thread goes at its `expires_at`; where it has none, that it stays.

    Raises:
        Invalid: the time is past, or more than a year away.
    """
    if not thread.HasField("expires_at"):
        if await unit.find(TEMPORARY_THREADS, thread.id) is not None:
            unit.delete(TEMPORARY_THREADS, thread.id)
        return
    if not unit.now < milliseconds(thread.expires_at) <= unit.now + _LONGEST_MS:
        raise Invalid.field("expires_at", "must be within a year from now")
    await unit.find(TEMPORARY_THREADS, thread.id)
    unit.put(TEMPORARY_THREADS, TemporaryThread(id=thread.id, expires_at=thread.expires_at))


class Expiry:
    """Deletes the temporary threads whose time has come, as their owners would.

    Every replica looks; of two that find the same thread one deletes it.
    """

    def __init__(self, documents: Documents, changes: Changes, outbox: Outbox, interval: float) -> None:
        """`interval` is the seconds between two looks."""
        self._documents = documents
        self._changes = changes
        self._outbox = outbox
        self._interval = interval

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            try:
                await self.delete_expired()
            except DomainError as error:
                _log.warning("temporary threads are not removed now: %s", error.text)
            await asyncio.sleep(self._interval)

    async def delete_expired(self) -> None:
        """One look; returns once no thread is left whose time has come."""
        while await self._documents.unit(self._delete_page):
            pass

    async def _delete_page(self, unit: Unit) -> bool:
        # From this moment backwards.
        before = Cursor(unit.now, "")
        query = Query.where(TEMPORARY_THREADS, order="expires_at", descending=True, after=before, limit=_PAGE)
        expired = await unit.query(query)
        for one in expired:
            thread = await unit.find(THREADS, one.id)
            if thread is None:
                unit.delete(TEMPORARY_THREADS, one.id)
            else:
                await delete(unit, self._changes, self._outbox, thread)
        return len(expired) == _PAGE
