"""The provider over stdlib sqlite3: one file, WAL, `synchronous=FULL`, group commit.

Reads are short and run on the event loop on a connection of their own. A store belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from libs.common.errors import Conflict, DomainError, Unavailable
from libs.common.store.port import CollectionSpec, M, Query, Stored, Write
from libs.common.store.rules import check_writes
from libs.common.store.sqlite_tables import Statement, Table, quoted

_log = logging.getLogger(__name__)

_GROUP = 256  # units in one commit, at most
_BUSY_SECONDS = 0.5  # blocks the loop: nobody else should hold the file
_CHUNK = 500  # documents in one statement, at most
_CACHED_STATEMENTS = 512


class SqliteStore:
    """A `Store` in one SQLite file. Open it with `SqliteStore.open`."""

    def __init__(self, path: Path, tables: dict[str, Table], reader: sqlite3.Connection, writer: _Writer) -> None:
        self._path = path
        self._tables = tables
        self._specs = {name: table.spec for name, table in tables.items()}
        self._reader = reader
        self._writer = writer
        self._closing: asyncio.Task[None] | None = None

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
            with ExitStack() as opened:
                connection = opened.enter_context(closing(_connect(path)))
                _prepare(connection, tables.values())
                reader = opened.enter_context(closing(_connect(path)))
                reader.execute("PRAGMA query_only = TRUE")
                opened.pop_all()
        except sqlite3.Error as error:
            raise Unavailable(f"{path}: {error}", retry_after=None) from error
        return cls(path, tables, reader, _Writer(connection, path))

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        for revision, body in self._read(self._tables[spec.name].get, (id,)):
            return Stored(id, revision, body, spec.message)
        return None

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        table = self._tables[spec.name]
        wanted = tuple(dict.fromkeys(ids))
        found: dict[str, Stored[M]] = {}
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            for key, revision, body in self._read(table.chosen(len(part)), part):
                found[key] = Stored(key, revision, body, spec.message)
        return [found[key] for key in wanted if key in found]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        kind = query.spec.message
        rows = self._read(*self._tables[query.spec.name].selected(query))
        return [Stored(key, revision, body, kind) for key, revision, body in rows]

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        rows = self._read(*self._tables[query.spec.name].counted(query))
        return int(rows[0][0]) if rows else 0

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once and hands them to the next group; a cancelled caller's writes go on."""
        self._check_open()
        check_writes(writes, self._specs)
        if writes:
            await self._writer.hand_in([self._tables[write.collection].written(write) for write in writes])

    async def ping(self) -> None:
        """Returns when the file answers."""
        self._read("SELECT 1", ())

    async def close(self) -> None:
        """Waits for what was handed in, then lets go of the file."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._writer.close()
        self._reader.close()

    def _read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._check_open()
        try:
            return self._reader.execute(sql, values).fetchall()
        except (UnicodeEncodeError, OverflowError):
            # Half of a surrogate pair, or a number beyond 64 bits: nothing stored is equal to it.
            return []
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error

    def _check_open(self) -> None:
        if self._closing is not None:
            raise Unavailable(f"{self._path}: the store is closed")


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one caller wants committed."""

    statements: list[Statement]
    done: asyncio.Future[None]


_Applied = tuple[asyncio.AbstractEventLoop, Callable[[Exception | None], None]]


class _Writer:
    """Group commit: while one transaction becomes durable, callers' units wait; then they run together in the next.

    Statements run on the event loop, the COMMIT with its fsync in a thread. (Statements in the thread would each wait
    for the interpreter lock: with a busy loop a commit would take as long as the loop is busy.)
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._waiting: deque[_Unit] = deque()
        self._running = False
        self._applied: SimpleQueue[_Applied | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._commit, name=f"commits of {path.name}", daemon=True)
        self._thread.start()

    def hand_in(self, statements: list[Statement]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        unit = _Unit(statements, loop.create_future())
        self._waiting.append(unit)
        if not self._running:
            self._running = True
            # Not at once: whoever else is about to commit in this turn of the loop joins.
            loop.call_soon(self._start)
        return unit.done

    async def close(self) -> None:
        await self.hand_in([])
        self._applied.put(None)
        self._thread.join()
        self._connection.close()

    def _start(self) -> None:
        """Runs the units that wait in one transaction and lets the thread commit it."""
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP))]
        outcomes: list[DomainError | None] = []

        def finish(error: Exception | None) -> None:
            self._finish(group, outcomes, error)

        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes.extend(self._apply(unit, len(group) > 1) for unit in group)
            nothing = all(outcomes)
            if nothing:
                self._connection.execute("ROLLBACK")
        except Exception as error:  # whatever it is, the callers hear of it
            finish(error)
            return
        if nothing:
            finish(None)
            return
        self._applied.put((group[0].done.get_loop(), finish))

    def _commit(self) -> None:
        """The thread: makes one transaction after the other durable."""
        while (applied := self._applied.get()) is not None:
            loop, finish = applied
            failure: sqlite3.Error | None = None
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                failure = error
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, failure)

    def _finish(self, group: list[_Unit], outcomes: Sequence[DomainError | None], error: Exception | None) -> None:
        """Tells every caller what became of its unit, then goes on with those that came meanwhile."""
        if error is not None:
            _log.error("%s: a commit of %d units failed", self._path, len(group), exc_info=error)
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself
                self._connection.execute("ROLLBACK")
            outcomes = [Unavailable(f"{self._path}: {error}") for _ in group]
        for unit, outcome in zip(group, outcomes, strict=True):
            if unit.done.done():  # its caller was cancelled
                continue
            if outcome is None:
                unit.done.set_result(None)
            else:
                unit.done.set_exception(outcome)
        # After the callers that were just told: what they commit next joins.
        group[0].done.get_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._waiting:
            self._start()
        else:
            self._running = False

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


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )


def _prepare(connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system allows no WAL (journal mode {mode})")
    connection.execute("PRAGMA synchronous = FULL")
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
    while rows := connection.execute(table.bodies, (last, _CHUNK)).fetchall():
        last = rows[-1][0]
        connection.executemany(table.refill, [(*table.field_values(parse(body)), key) for key, body in rows])
