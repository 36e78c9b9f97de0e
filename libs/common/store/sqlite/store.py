"""The provider over stdlib sqlite3: one file, WAL, `synchronous=FULL`, group commit.

Reads are short and run on the event loop on a connection of their own. A store belongs to one event loop.

Any number of processes of one machine may open the same file. They append to one write-ahead log, one at a time. A
commit is on the disk, by an fsync of that log, before it returns and before any process can read it; so neither the
death of a process nor the loss of power takes back what was acknowledged or seen. Each read sees whole commits alone.
What is deleted or overwritten is zeroed in the file; the log holds it until it is written anew, or the file is closed.
Not on a network file system: the processes coordinate through shared memory and the kernel's locks.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.port import CollectionSpec, M, Query, Search, Stored, UnindexedQuery, Write
from libs.common.store.rules import check_writes
from libs.common.store.sqlite.sharing import Turn, busy, patiently, pauses
from libs.common.store.sqlite.tables import Table
from libs.common.store.sqlite.writer import Writer

_OPEN_PATIENCE = 60.0  # seconds: another process may be filling a new index
_READ_PATIENCE = 1.0  # seconds: another process may be recovering the log
_CHUNK = 500  # documents in one statement, at most
_CACHED_STATEMENTS = 512
_FORGETS = (3, 42)  # from here on FTS5 can zero the words of what is deleted


class SqliteStore:
    """A `Store` in one SQLite file. Open it with `SqliteStore.open`."""

    def __init__(self, path: Path, tables: dict[str, Table], reader: sqlite3.Connection, writer: Writer) -> None:
        self._path = path
        self._tables = tables
        self._specs = {name: table.spec for name, table in tables.items()}
        self._reader = reader
        self._writer = writer
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, path: Path, specs: Sequence[CollectionSpec[Any]], *, patience: float = 10.0) -> SqliteStore:
        """Opens or creates the file and brings its tables, columns and indexes to what `specs` declare.

        A new column is filled from the documents that are there; columns and indexes that no declaration asks for
        any more are dropped. Tables of collections that are not declared stay as they are. Processes that have the
        file open at the same time declare the same.

        Args:
            path: the file; its folder is there.
            specs: every collection that the store will hold.
            patience: seconds that a commit waits for those of other processes, until it is refused as Unavailable.

        Raises:
            ValueError: an index names a field that its message does not have.
            Unavailable: the file cannot be opened or is no SQLite database.
        """
        tables = {spec.name: Table(spec) for spec in specs}
        try:
            reader, writer, turn = patiently(lambda: _opened(path, tables.values()), _OPEN_PATIENCE)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"{path}: {error}", retry_after=None) from error
        return cls(path, tables, reader, Writer(writer, turn, path, patience))

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        for revision, body in await self._read(self._tables[spec.name].get, (id,)):
            return Stored(id, revision, body, spec.message)
        return None

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        table = self._tables[spec.name]
        wanted = tuple(dict.fromkeys(ids))
        found: dict[str, Stored[M]] = {}
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            for key, revision, body in await self._read(table.chosen(len(part)), part):
                found[key] = Stored(key, revision, body, spec.message)
        return [found[key] for key in wanted if key in found]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        kind = query.spec.message
        rows = await self._read(*self._tables[query.spec.name].selected(query))
        return [Stored(key, revision, body, kind) for key, revision, body in rows]

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        rows = await self._read(*self._tables[query.spec.name].counted(query))
        return int(rows[0][0]) if rows else 0

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, the best matches by FTS5's bm25 first."""
        text, kind = self._tables[search.spec.name].text, search.spec.message
        if text is None:
            raise UnindexedQuery(f"{search.spec.name}: the store was opened without a text index")
        return [Stored(key, revision, body, kind) for key, revision, body in await self._read(*text.found(search))]

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once and hands them to the next group; a cancelled caller's writes go on."""
        self._check_open()
        check_writes(writes, self._specs)
        if writes:
            tables = self._tables
            await self._writer.hand_in([part for write in writes for part in tables[write.collection].written(write)])

    async def ping(self) -> None:
        """Returns when the file answers."""
        await self._read("SELECT 1", ())

    async def close(self) -> None:
        """Waits for what was handed in, then lets go of the file."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._writer.close()
        self._reader.close()

    async def _read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        waits = pauses(_READ_PATIENCE)
        while True:
            self._check_open()
            try:
                return self._reader.execute(sql, values).fetchall()
            except (UnicodeEncodeError, OverflowError):
                # Half of a surrogate pair, or a number beyond 64 bits: nothing stored is equal to it.
                return []
            except sqlite3.Error as error:
                pause = next(waits, None) if busy(error) else None
                if pause is None:
                    raise Unavailable(f"{self._path}: {error}") from error
            await asyncio.sleep(pause)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise Unavailable(f"{self._path}: the store is closed")


def _opened(path: Path, tables: Iterable[Table]) -> tuple[sqlite3.Connection, sqlite3.Connection, Turn]:
    """The connections that read and write, and the turns of the latter."""
    with ExitStack() as opened:
        writer = opened.enter_context(closing(_connect(path)))
        _prepare(writer, tables)
        reader = opened.enter_context(closing(_connect(path)))
        reader.execute("PRAGMA query_only = TRUE")
        turn = Turn(path)
        opened.pop_all()
    return reader, writer, turn


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        timeout=0,  # SQLite would wait on the loop
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )


def _prepare(connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system allows no WAL (journal mode {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = TRUE")
    connection.execute("BEGIN IMMEDIATE")
    for table in tables:
        connection.execute(table.create)
        columns, indexes = table.columns(), table.indexes()
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")} - {"id", "revision", "body"}
        indexed = {row[1] for row in connection.execute(f"PRAGMA index_list({table.name})") if row[3] == "c"}
        for name in indexed - indexes.keys():
            connection.execute(f"DROP INDEX {table.quoted(name)}")
        for name in there - columns.keys():
            connection.execute(f"ALTER TABLE {table.name} DROP COLUMN {table.quoted(name)}")
        added = columns.keys() - there
        for name in added:
            connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {table.quoted(name)} {columns[name]}")
        if added:
            _fill(connection, table)
        for name in indexes.keys() - indexed:
            connection.execute(indexes[name])
        _prepare_text(connection, table)
    connection.execute("COMMIT")


def _prepare_text(connection: sqlite3.Connection, table: Table) -> None:
    """Brings the text index to what is declared: one that is declared otherwise, or not any more, is dropped."""
    name, text = f"{table.spec.name}.text", table.text
    there = tuple(row[1] for row in connection.execute(f"PRAGMA table_info({table.quoted(name)})"))[2:]
    if there == (text.columns if text else ()):
        return
    for old in (f"{table.spec.name}.words", name) if there else ():
        connection.execute(f"DROP TABLE {table.quoted(old)}")
    if text is None:
        return
    for statement in text.create:
        connection.execute(statement)
    if sqlite3.sqlite_version_info >= _FORGETS:
        connection.execute(text.forget)
    parse = table.spec.message.FromString
    last = ""
    while rows := connection.execute(table.bodies, (last, _CHUNK)).fetchall():
        last = rows[-1][0]
        for key, body in rows:
            connection.execute(*text.written(key, parse(body)))


def _fill(connection: sqlite3.Connection, table: Table) -> None:
    """Writes the columns of every document anew from its message."""
    parse = table.spec.message.FromString
    last = ""
    while rows := connection.execute(table.bodies, (last, _CHUNK)).fetchall():
        last = rows[-1][0]
        connection.executemany(table.refill, [(*table.field_values(parse(body)), key) for key, body in rows])
