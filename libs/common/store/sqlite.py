"""The provider over stdlib sqlite3: one file, WAL, `synchronous=FULL`, one writer thread with group commit.

Reads are short and run on the event loop on a connection of their own. A store belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from libs.common.errors import Conflict, DomainError, Unavailable
from libs.common.store.port import CollectionSpec, M, Query, Stored, Write
from libs.common.store.rules import check_writes
from libs.common.store.sqlite_tables import Statement, Table, quoted

_log = logging.getLogger(__name__)

_GROUP = 256  # units in one commit, at most
_BUSY_SECONDS = 5.0
_CHOSEN = 500  # ids in one statement, at most
_FILLED = 1000  # documents whose columns are filled in one go
_CACHED_STATEMENTS = 512


class SqliteStore:
    """A `Store` in one SQLite file. Open it with `SqliteStore.open`."""

    def __init__(self, path: Path, tables: dict[str, Table], reader: sqlite3.Connection, writer: _Writer) -> None:
        self._path = path
        self._tables = tables
        self._specs = {name: table.spec for name, table in tables.items()}
        self._reader = reader
        self._writer = writer
        self._closed = False

    @classmethod
    def open(cls, path: Path, specs: Sequence[CollectionSpec[Any]]) -> SqliteStore:
        """Opens or creates the file and brings its tables, columns and indexes to what `specs` declare.

        A new column is filled from the documents that are there; columns and indexes that no declaration asks for
        any more are dropped. Tables of collections that are not declared stay as they are.

        Raises:
            ValueError: an index names a field that its message does not have.
            Unavailable: the file cannot be opened or is no SQLite database.
        """
        tables = {spec.name: Table(spec) for spec in specs}
        try:
            connection = _connect(path)
            try:
                _prepare(connection, tables.values())
                reader = _connect(path)
                reader.execute("PRAGMA query_only = TRUE")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise Unavailable(f"{path}: {error}", retry_after=None) from error
        return cls(path, tables, reader, _Writer(connection, path))

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        rows = self._read(self._tables[spec.name].get, (id,))
        if not rows:
            return None
        revision, body = rows[0]
        return Stored(id, revision, spec.message.FromString(body))

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        table = self._tables[spec.name]
        parse = spec.message.FromString
        wanted = tuple(dict.fromkeys(ids))
        found: dict[str, Stored[M]] = {}
        for start in range(0, len(wanted), _CHOSEN):
            part = wanted[start : start + _CHOSEN]
            for key, revision, body in self._read(table.chosen(len(part)), part):
                found[key] = Stored(key, revision, parse(body))
        return [found[key] for key in wanted if key in found]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        parse = query.spec.message.FromString
        rows = self._read(*self._tables[query.spec.name].selected(query))
        return [Stored(key, revision, parse(body)) for key, revision, body in rows]

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        rows = self._read(*self._tables[query.spec.name].counted(query))
        return int(rows[0][0]) if rows else 0

    async def commit(self, writes: Sequence[Write]) -> None:
        """Hands the writes to the writer thread; everything that can be wrong with them alone is found before."""
        self._check_open()
        check_writes(writes, self._specs)
        if writes:
            await self._writer.hand_in([self._tables[write.collection].written(write) for write in writes])

    async def ping(self) -> None:
        """Returns when the file answers."""
        self._read("SELECT 1", ())

    async def close(self) -> None:
        """Waits for what was handed in, then lets go of the file; safe to repeat."""
        self._closed = True
        await self._writer.close()
        self._reader.close()

    def _read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._check_open()
        try:
            return self._reader.execute(sql, values).fetchall()
        except UnicodeEncodeError:
            # Half of a surrogate pair: no stored text is equal to it.
            return []
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"{self._path}: the store is closed")


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one caller wants committed. No statements: the last unit ever."""

    statements: list[Statement]
    done: asyncio.Future[None]


class _Writer:
    """The thread that owns the writing connection: whatever waits is committed together."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._units: SimpleQueue[_Unit] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer of {path.name}", daemon=True)
        self._thread.start()

    def hand_in(self, statements: list[Statement]) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        self._units.put(_Unit(statements, done))
        return done

    async def close(self) -> None:
        if self._thread.is_alive():
            await self.hand_in([])

    def _run(self) -> None:
        while True:
            group, last = self._waiting()
            if group:
                _resolve(group, self._commit(group))
            if last is not None:
                self._connection.close()
                _resolve([last], [None])
                return

    def _waiting(self) -> tuple[list[_Unit], _Unit | None]:
        """Blocks for a unit, then takes what waits behind it; beside them the last unit ever, once it comes."""
        group: list[_Unit] = []
        with suppress(Empty):
            while len(group) < _GROUP:
                unit = self._units.get(block=not group)
                if not unit.statements:
                    return group, unit
                group.append(unit)
        return group, None

    def _commit(self, group: list[_Unit]) -> Sequence[DomainError | None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._apply(unit, len(group) > 1) for unit in group]
            self._connection.execute("ROLLBACK" if all(outcomes) else "COMMIT")
        except Exception as error:
            # Whatever it is, the thread outlives it and the callers hear of it.
            _log.exception("%s: a commit of %d units failed", self._path, len(group))
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [Unavailable(f"{self._path}: {error}") for _ in group]
        return outcomes

    def _apply(self, unit: _Unit, shared: bool) -> Conflict | None:
        """Runs one unit. What it began before a conflict is undone if the transaction has other units."""
        execute = self._connection.execute
        # A single statement that conflicts has changed nothing.
        guarded = shared and len(unit.statements) > 1
        if guarded:
            execute("SAVEPOINT unit")
        for statement in unit.statements:
            if not self._holds(statement):
                if guarded:
                    execute("ROLLBACK TO unit")
                    execute("RELEASE unit")
                return Conflict(statement.write.collection, statement.write.id)
        if guarded:
            execute("RELEASE unit")
        return None

    def _holds(self, statement: Statement) -> bool:
        try:
            touched = self._connection.execute(statement.sql, statement.values).rowcount
        except sqlite3.IntegrityError:
            return False
        return statement.rows is None or statement.rows == touched


def _resolve(units: list[_Unit], outcomes: Sequence[DomainError | None]) -> None:
    def resolve() -> None:
        for unit, outcome in zip(units, outcomes, strict=True):
            if unit.done.done():  # its caller was cancelled
                continue
            if outcome is None:
                unit.done.set_result(None)
            else:
                unit.done.set_exception(outcome)

    # A loop that is closed has nobody left who waits.
    with suppress(RuntimeError):
        units[0].done.get_loop().call_soon_threadsafe(resolve)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"the file system allows no WAL (journal mode {mode})")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in tables:
        connection.execute(table.create)
        columns, indexes = table.columns(), table.indexes()
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")} - {"id", "revision", "body"}
        indexed = {row[1] for row in connection.execute(f"PRAGMA index_list({table.name})") if row[3] == "c"}
        for name in indexed - indexes.keys():
            connection.execute(f"DROP INDEX {quoted(name)}")
        for name in there - columns.keys():
            connection.execute(f"ALTER TABLE {table.name} DROP COLUMN {quoted(name)}")
        added = columns.keys() - there
        for name in added:
            connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {columns[name]}")
        if added:
            _fill(connection, table)
        for name in indexes.keys() - indexed:
            connection.execute(indexes[name])
    connection.execute("COMMIT")


def _fill(connection: sqlite3.Connection, table: Table) -> None:
    """Writes the columns of every document anew from its message."""
    parse = table.spec.message.FromString
    last = ""
    while rows := connection.execute(table.bodies, (last, _FILLED)).fetchall():
        last = rows[-1][0]
        connection.executemany(table.refill, [(*table.field_values(parse(body)), key) for key, body in rows])
