"""What the stores over SQL servers share: they read by a collection's statements, and commit by a plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from libs.common.store.port import CollectionSpec, M, Query, Search, Stored, UnindexedQuery, Write
from libs.common.store.rules import check_writes
from libs.common.store.sql.address import Address
from libs.common.store.sql.keyed import KeyedTable
from libs.common.store.sql.plan import Plan
from libs.common.store.sql.postings import found
from libs.common.under_way import UnderWay

_CHUNK = 500  # documents in one statement, at most


class ServedStore(ABC):
    """A `Store` but for the engine: how it reads, commits, and is let go."""

    def __init__(self, address: Address, tables: Mapping[str, KeyedTable]) -> None:
        self._address = address
        self._tables = tables
        self._specs = {name: table.spec for name, table in tables.items()}
        self._under_way = UnderWay()

    @abstractmethod
    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a statement that reads.

        Raises:
            Unavailable: the engine cannot be reached, or does not answer in time.
        """

    @abstractmethod
    async def _write(self, plan: Plan) -> None:
        """Commits.

        Raises:
            Conflict: a document was not at its revision.
            Unavailable: as `_rows`.
        """

    @abstractmethod
    async def _let_go(self) -> None:
        """Closes the connections."""

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        for revision, body in await self._read(self._tables[spec.name].get, (id,)):
            return Stored(id, revision, body, spec.message)
        return None

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        table = self._tables[spec.name]
        wanted = list(dict.fromkeys(ids))
        there: dict[str, Stored[M]] = {}
        for start in range(0, len(wanted), _CHUNK):
            for stored in self._stored(spec, await self._read(*table.among(wanted[start : start + _CHUNK]))):
                there[stored.id] = stored
        return [there[key] for key in wanted if key in there]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        table = self._tables[query.spec.name]
        rows = await self._read(*table.selected(query))
        if any(unsure for _, _, _, *more in rows for unsure in more):
            rows = await self._read(*table.selected(query, exactly=True))
        return self._stored(query.spec, rows)

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        rows = await self._read(*self._tables[query.spec.name].counted(query))
        return int(rows[0][0]) if rows else 0

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words; each occurrence counts what its field weighs."""
        table = self._tables[search.spec.name]
        if table.postings is None:
            raise UnindexedQuery(f"{search.spec.name}: the store was opened without a text index")
        sql, values = found(search, table.name, table.words, table.dialect)
        return self._stored(search.spec, await self._read(sql, values))

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once; a cancelled caller's commit goes on."""
        self._check_open()
        check_writes(writes, self._specs)
        if writes:
            await self._under_way.run(self._write(Plan(writes, self._tables)))

    async def ping(self) -> None:
        """Returns when the engine answers."""
        await self._read("SELECT 1", ())

    async def close(self) -> None:
        """Waits for what was handed in, then closes the connections."""
        await self._under_way.close(self._let_go)

    async def _read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._check_open()
        try:
            return await self._under_way.run(self._rows(sql, values))
        except UnicodeEncodeError:
            return []  # half of a surrogate pair: nothing stored is equal to it

    def _stored(self, spec: CollectionSpec[M], rows: Sequence[Any]) -> list[Stored[M]]:
        kind = spec.message
        return [Stored(key, revision, body, kind) for key, revision, body, *_ in rows]

    def _check_open(self) -> None:
        if self._under_way.is_closed:
            raise self._address.unavailable("the store is closed")
