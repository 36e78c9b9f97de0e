"""The journal: for every write to a journaled collection an entry in the same commit, with before and after.

Fields that are marked `unjournaled` are in neither: what is overwritten or deleted of them is gone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from llmchat.store.v1.journal_pb2 import JournalEntry

from libs.common.clock import Clock
from libs.common.context import current_call
from libs.common.errors import Conflict, Unavailable
from libs.common.redaction import holds, is_unjournaled, without
from libs.common.store.hlc import HybridClock
from libs.common.store.port import CollectionSpec, M, Put, Query, Search, Store, Stored, Write
from libs.common.store.rules import check_writes

JOURNAL = CollectionSpec("journal", JournalEntry, journaled=False)

_SCHEMA_VERSION = 1
_ATTEMPTS = 10
_NO_REVISION = 2**53  # no document is ever written that often


class Journaled:
    """A `Store` that journals the writes to another.

    Entries sort by id in the order in which this process handed its commits in. An unconditional write is tied to the
    revision that its entry's `before` was read at, and made again when the document moved in between; so `before` is
    exact. A deletion of a document that does not exist leaves no entry.
    """

    def __init__(self, store: Store, specs: Sequence[CollectionSpec[Any]], clock: Clock) -> None:
        """`store` was opened with these `specs`, `JOURNAL` among them; `clock` gives milliseconds of the epoch."""
        self._store = store
        self._specs: dict[str, CollectionSpec[Message]] = {spec.name: spec for spec in specs}
        self._journaled = {name: spec for name, spec in self._specs.items() if spec.journaled}
        # The collections whose documents are not journaled whole.
        self._partly = {
            name
            for name, spec in self._journaled.items()
            if holds(is_unjournaled, cast(Descriptor, spec.message.DESCRIPTOR))
        }
        self._clock = HybridClock(clock)
        self._caught_up = False
        self._begun = 0  # commits that are under way
        self._none_begun = asyncio.Event()
        self._closing = False
        # Keeps apart the ids of processes that read the same clock.
        self._suffix = secrets.token_hex(4)

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        return await self._store.get(spec, id)

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        return await self._store.get_many(spec, ids)

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        return await self._store.query(query)

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        return await self._store.count(query)

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, the best matches first."""
        return await self._store.search(search)

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes and their entries, or none.

        Raises:
            Conflict: also when a document that is written unconditionally moved at each of 10 attempts.
            Invalid: see `Store.commit`.
        """
        if not any(write.collection in self._journaled for write in writes):
            await self._store.commit(writes)
            return
        check_writes(writes, self._specs)
        if self._closing:
            raise Unavailable("the store is closed")
        self._begun += 1
        try:
            await self._commit(writes)
        finally:
            self._begun -= 1
            if not self._begun:
                self._none_begun.set()

    async def _commit(self, writes: Sequence[Write]) -> None:
        if not self._caught_up:
            await self._catch_up()
        untied = {
            (write.collection, write.id)
            for write in writes
            if write.if_revision is None and write.collection in self._journaled
        }
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._store.commit(await self._with_entries(writes))
                return
            except Conflict as conflict:
                if attempt == _ATTEMPTS or (conflict.collection, conflict.id) not in untied:
                    raise

    async def ping(self) -> None:
        """Returns when the engine answers."""
        await self._store.ping()

    async def close(self) -> None:
        """Closes the store below, once the commits that were handed in have read what they need and are stored."""
        self._closing = True
        while self._begun:
            self._none_begun.clear()
            await self._none_begun.wait()
        await self._store.close()

    async def _catch_up(self) -> None:
        """Puts the clock after the last entry that is there: wall time may have gone back since it was written."""
        for last in await self._store.query(Query.by_id(JOURNAL, descending=True, limit=1)):
            self._clock.observe(last.message.clock)
        self._caught_up = True

    async def _with_entries(self, writes: Sequence[Write]) -> list[Write]:
        before = await self._before(writes)
        tied: list[Write] = []
        entries: list[Write] = []
        for write in writes:
            if write.collection not in self._journaled:
                tied.append(write)
                continue
            there = before.get((write.collection, write.id))
            revision = there.revision if there else 0
            if write.if_revision is None:
                tied.append(replace(write, if_revision=revision))
            elif write.if_revision == revision:
                tied.append(write)
            else:
                # It has moved already; should it move back meanwhile, `before` would be wrong.
                tied.append(replace(write, if_revision=_NO_REVISION))
            if isinstance(write, Put) or there:
                entries.append(self._entry(write, there))
        return tied + entries

    async def _before(self, writes: Sequence[Write]) -> dict[tuple[str, str], Stored[Message]]:
        """The documents that the writes meet; those that must not exist yet are not asked for."""
        wanted: dict[str, list[str]] = {}
        for write in writes:
            if write.if_revision != 0 and write.collection in self._journaled:
                wanted.setdefault(write.collection, []).append(write.id)
        return {
            (collection, stored.id): stored
            for collection, ids in wanted.items()
            for stored in await self._store.get_many(self._journaled[collection], ids)
        }

    def _entry(self, write: Write, before: Stored[Message] | None) -> Put:
        call = current_call()
        clock = self._clock.tick()
        revision = before.revision if before else 0
        deleted = not isinstance(write, Put)
        entry = JournalEntry(
            id=f"{clock:016x}.{self._suffix}",
            collection=write.collection,
            document_id=write.id,
            revision=revision if deleted else revision + 1,
            before=self._body(write.collection, before) if before else b"",
            after=self._body(write.collection, write) if isinstance(write, Put) else b"",
            deleted=deleted,
            clock=clock,
            actor=call.caller.actor,
            request_id=call.request_id,
            schema_version=_SCHEMA_VERSION,
        )
        return Put(JOURNAL.name, entry.id, entry, if_revision=0)

    def _body(self, collection: str, document: Stored[Message] | Put) -> bytes:
        """What the journal keeps of a document, in proto bytes."""
        if collection in self._partly:
            return without(is_unjournaled, document.message).SerializeToString()
        return document.body if isinstance(document, Stored) else document.message.SerializeToString()
