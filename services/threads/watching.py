"""Watching a person's threads: those that are there, then each as it changes, on whichever replica."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from dataclasses import replace

from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import Synced, ThreadChange

from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.places import place_of
from libs.common.events.changes import Changes
from libs.common.store.port import Cursor, Query, Stored
from services.threads.collections import THREADS

_LIMIT = 100
_PAGE = 200
_MOST_REMEMBERED = 2000
# How far apart, in milliseconds, the clocks of replicas may be, or the time of a write and its commit.
_OVERLAP_MS = 60_000
_GONE = 2**63


async def watch_threads(
    documents: Documents, changes: Changes, caller: Caller, limit: int
) -> AsyncGenerator[ThreadChange, None]:
    """The caller's first `limit` threads (0: 100), `synced`, then every thread as it changes.

    A thread is told once at each revision and never older after newer. Quick changes may be told as the last of them,
    and that one always is. A thread that is gone is told as gone.

    Raises:
        Unavailable: this process is stopping: watch elsewhere.
    """
    async with changes.watch(caller.user_id) as hints:
        watch = _Watch(documents, caller.user_id)
        await anext(hints)
        async for change in watch.begin(limit or _LIMIT):
            yield change
        yield ThreadChange(synced=Synced())
        async for id in hints:
            async for change in watch.look() if id is None else watch.look_at(id):
                yield change


class _Watch:
    """What one watcher has been told, by which it finds what it has not.

    It remembers what changed within the last minute and, besides, the 2,000 threads that were told last: the end of one
    that it has forgotten is told by a hint only.
    """

    def __init__(self, documents: Documents, user_id: str) -> None:
        self._documents = documents
        self._user_id = user_id
        self._revisions: dict[str, int] = {}
        self._looked_at = documents.clock()

    async def begin(self, limit: int) -> AsyncIterator[ThreadChange]:
        """The threads that a list begins with. What changed earlier in others is known from here on, and not told."""
        known = {stored.id: stored.revision async for page in self._changed() for stored in page}
        query = Query.where(THREADS, order="rank", descending=True, limit=limit, user_id=self._user_id)
        newest = await self._documents.store.query(query)
        for stored in newest:
            known.pop(stored.id, None)
        self._revisions = known
        for change in self._tell(newest):
            yield change

    async def look(self) -> AsyncIterator[ThreadChange]:
        """All that has changed since the last look."""
        recent: set[str] = set()
        async for page in self._changed():
            recent.update(stored.id for stored in page)
            for change in self._tell(page):
                yield change
        told = [id for id, revision in self._revisions.items() if revision != _GONE]
        for start in range(0, len(told), _PAGE):
            ids = told[start : start + _PAGE]
            found = await self._documents.store.get_many(THREADS, ids)
            for change in (*self._tell(found), *self._tell_gone(set(ids) - {stored.id for stored in found})):
                yield change
        for id in [id for id in self._revisions if id not in recent][:-_MOST_REMEMBERED]:
            del self._revisions[id]

    async def look_at(self, id: str) -> AsyncIterator[ThreadChange]:
        """One thread, if it has changed."""
        stored = await self._documents.store.get(THREADS, id)
        for change in self._tell_gone([id]) if stored is None else self._tell([stored]):
            yield change

    async def _changed(self) -> AsyncIterator[list[Stored[Thread]]]:
        """The threads that were written since the last look, or shortly before it; page by page."""
        since = Cursor(self._looked_at - _OVERLAP_MS, "")
        self._looked_at = self._documents.clock()
        query = Query.where(THREADS, order="changed_at", after=since, limit=_PAGE, user_id=self._user_id)
        while page := await self._documents.store.query(query):
            yield page
            query = replace(query, after=place_of(query, page[-1]))

    def _tell(self, found: Iterable[Stored[Thread]]) -> Iterator[ThreadChange]:
        for stored in found:
            if stored.revision > self._revisions.get(stored.id, 0) and stored.message.user_id == self._user_id:
                self._remember(stored.id, stored.revision)
                yield ThreadChange(thread=stored.message)

    def _tell_gone(self, ids: Iterable[str]) -> Iterator[ThreadChange]:
        for id in ids:
            if self._revisions.get(id) != _GONE:
                self._remember(id, _GONE)
                yield ThreadChange(deleted_id=id)

    def _remember(self, id: str, revision: int) -> None:
        # Told last, forgotten last.
        self._revisions.pop(id, None)
        self._revisions[id] = revision
