"""Measures another store: how often and how long, by operation and collection; and a log of slow operations."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from libs.common.store.port import CollectionSpec, Index, M, Query, Search, Store, Stored, Write

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How many operations ended, failed ones included, and how many seconds they took together."""

    count: int
    seconds: float


class Metered:
    """A `Store` that measures another. A commit counts once for each collection it touches, with its whole time.

    An operation that takes `slow_ms` milliseconds or more is logged: its kind, collection and index, never a value.
    """

    def __init__(self, store: Store, slow_ms: float) -> None:
        self._store = store
        self._slow = slow_ms / 1000
        self._measured: dict[tuple[str, str], tuple[int, float]] = {}

    def snapshot(self) -> dict[tuple[str, str], Timing]:
        """By (operation, collection): what was measured since the start."""
        return {key: Timing(count, seconds) for key, (count, seconds) in self._measured.items()}

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        started = time.perf_counter()
        try:
            return await self._store.get(spec, id)
        finally:
            self._measure("get", (spec.name,), started)

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        started = time.perf_counter()
        try:
            return await self._store.get_many(spec, ids)
        finally:
            self._measure("get_many", (spec.name,), started)

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        started = time.perf_counter()
        try:
            return await self._store.query(query)
        finally:
            self._measure("query", (query.spec.name,), started, query.index)

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        started = time.perf_counter()
        try:
            return await self._store.count(query)
        finally:
            self._measure("count", (query.spec.name,), started, query.index)

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, the best matches first."""
        started = time.perf_counter()
        try:
            return await self._store.search(search)
        finally:
            self._measure("search", (search.spec.name,), started)

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes or none."""
        started = time.perf_counter()
        try:
            await self._store.commit(writes)
        finally:
            self._measure("commit", {write.collection for write in writes}, started)

    async def ping(self) -> None:
        """Returns when the engine answers."""
        await self._store.ping()

    async def close(self) -> None:
        """Closes the store below."""
        await self._store.close()

    def _measure(
        self, operation: str, collections: Collection[str], started: float, index: Index | None = None
    ) -> None:
        took = time.perf_counter() - started
        for collection in collections:
            count, seconds = self._measured.get((operation, collection), (0, 0.0))
            self._measured[operation, collection] = (count + 1, seconds + took)
        if took >= self._slow:
            names = ", ".join(sorted(collections)) + (f" by {index.name}" if index else "")
            _log.warning("slow %s on %s: %.1f ms", operation, names, took * 1000)
