"""Commits in MySQL and MariaDB: two round trips, one that locks and reads, one that writes and commits.

READ COMMITTED locks rows that are there and no gaps between them; so fences are rows of their own, made beforehand,
one for each of 4,096 parts of what may not be there. A commit leaves a mark with its id. If the connection is lost
before the server has answered, whoever then puts the same mark knows: it is there, or the commit can never be.
"""

# Names are quoted and values are written by `literal`.
# ruff: noqa: S608

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from typing import Any, cast
from zlib import crc32

from asyncmy import errors
from asyncmy.connection import Connection

from libs.common.errors import Invalid, Unavailable
from libs.common.store.mysql.connections import FAILURES, code, run, told
from libs.common.store.mysql.tables import DIALECT, Table, literal, there
from libs.common.store.sql.address import Address
from libs.common.store.sql.plan import Fence, Plan, There

# Gives a connection of the pool; raises Unavailable where none is to be had.
Connect = Callable[[], AbstractAsyncContextManager[Connection]]

_ATTEMPTS = 10
_DEADLOCK = 1213
_DUPLICATE = 1062
_FROM_SERVER = range(1000, 2000)  # what the server says; the driver's own numbers are beyond
_FENCES = 4096
_FENCES_NAME = "commit fences"
_MARKS_NAME = "commit marks"
_MARK_LIFE = 3600  # seconds
_SWEPT = 1000  # commits between two looks for marks that are old
_BEGIN = ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION")


class _Mark:
    """What a commit leaves, in order of time. `is_sent` once the server may have its COMMIT."""

    def __init__(self) -> None:
        self.id = _moment(time.time()) + secrets.token_bytes(8)
        self.is_sent = False


async def prepare(connection: Connection, database: str, there: Container[str]) -> None:
    """Makes what commits need besides the collections' tables; `there` are the tables that the database has.

    Raises:
        asyncmy.errors.MySQLError: as the server does.
    """
    fences, marks = _fences(database), _marks(database)
    if _MARKS_NAME not in there:
        await run(connection, f"CREATE TABLE {marks} (id VARBINARY(16) NOT NULL PRIMARY KEY) ENGINE = InnoDB")
    if _FENCES_NAME not in there:
        await run(connection, f"CREATE TABLE {fences} (number INT NOT NULL PRIMARY KEY) ENGINE = InnoDB")
    [[(made,)]] = await run(connection, f"SELECT COUNT(*) FROM {fences}")
    if made < _FENCES:
        numbers = ", ".join(f"({number})" for number in range(_FENCES))
        await run(connection, f"REPLACE INTO {fences} VALUES {numbers}")


class Commits:
    """Commits plans."""

    def __init__(self, connect: Connect, database: str, address: Address, patience: float, largest: int) -> None:
        """`patience`: seconds that one attempt may take. `largest`: bytes that the server takes at once."""
        self._connect = connect
        self._fences = _fences(database)
        self._marks = _marks(database)
        self._unavailable = address.unavailable
        self._patience = patience
        self._largest = largest
        self._unswept = 0

    async def commit(self, plan: Plan) -> None:
        """All of the plan's writes or none.

        Raises:
            Conflict: a document was not at its revision.
            Invalid: a document is larger than the server takes.
            Unavailable: the server cannot be reached, or does not answer in time.
        """
        for attempt in range(_ATTEMPTS):
            mark = _Mark()
            try:
                async with self._connect() as connection, asyncio.timeout(self._patience):
                    await self._attempt(connection, plan, mark)
                break
            except (*FAILURES, TimeoutError) as error:
                lost = code(error) not in _FROM_SERVER
                if lost and mark.is_sent and await self._is_committed(mark):
                    break
                if code(error) != _DEADLOCK and not (lost and attempt == 0):
                    raise self._unavailable(told(error)) from error
            await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 (no secret)
        else:
            raise self._unavailable("commits are in each other's way")
        await self._sweep()

    async def _attempt(self, connection: Connection, plan: Plan, mark: _Mark) -> None:
        fences = list(self._taken(plan.fences()))
        tables = list(plan.tables())
        locks = [cast(Table, table).locked(ids) for table, ids in tables]
        _, _, *results = await run(connection, *_BEGIN, *fences, *locks)
        found: Mapping[str, There] = {
            table.spec.name: there(cast(Any, rows))
            for (table, _), rows in zip(tables, results[len(fences) :], strict=True)
        }
        try:
            plan.check(found)
        except BaseException:
            await run(connection, "ROLLBACK")
            raise
        writes = [sql for changes in plan.changes(found) for sql in cast(Table, changes.table).written(changes)]
        packets = list(self._packets([self._marked(mark), *writes, "COMMIT"]))
        for packet in packets:
            mark.is_sent = packet is packets[-1]
            await run(connection, *packet)

    def _taken(self, fences: Iterable[Fence]) -> Iterator[str]:
        """The statements that lock fences, in one order for every commit."""
        alone: dict[int, bool] = {}
        for fence in fences:
            number = crc32(f"{fence.collection}\0{fence.id}".encode()) % _FENCES
            alone[number] = alone.get(number, False) or fence.alone
        for is_alone, numbers in groupby(sorted(alone), key=alone.__getitem__):
            lock = "FOR UPDATE" if is_alone else "LOCK IN SHARE MODE"
            wanted = ", ".join(map(str, numbers))
            table = f"{self._fences} FORCE INDEX (PRIMARY)"
            yield f"SELECT number FROM {table} WHERE number IN ({wanted}) ORDER BY number {lock}"

    def _packets(self, statements: Iterable[str]) -> Iterator[list[str]]:
        """The statements, as many at once as the server takes."""
        packet: list[str] = []
        size = 0
        for sql in statements:
            if len(sql) >= self._largest:
                raise Invalid(f"a document is too large for the server: max_allowed_packet is {self._largest} bytes")
            if size + len(sql) + 1 >= self._largest:
                yield packet
                packet, size = [], 0
            packet.append(sql)
            size += len(sql) + 1
        yield packet

    async def _is_committed(self, mark: _Mark) -> bool:
        """Whether a commit whose connection was lost is there; if it is not, it can never be.

        Raises:
            Unavailable: it cannot be told.
        """
        end = time.monotonic() + self._patience
        while True:
            try:
                async with self._connect() as connection, asyncio.timeout(self._patience):
                    await run(connection, self._marked(mark))
                return False
            except errors.IntegrityError:
                return True
            except (*FAILURES, TimeoutError, Unavailable) as error:
                if time.monotonic() > end:
                    text = "the connection was lost in a commit, whose outcome is not known"
                    raise self._unavailable(text) from error
            await asyncio.sleep(0.1)

    def _marked(self, mark: _Mark) -> str:
        return f"INSERT INTO {self._marks} VALUES ({literal(mark.id)})"

    async def _sweep(self) -> None:
        """Removes old marks, now and then."""
        self._unswept += 1
        if self._unswept < _SWEPT:
            return
        self._unswept = 0
        old = literal(_moment(time.time() - _MARK_LIFE))
        try:
            async with self._connect() as connection, asyncio.timeout(self._patience):
                await run(connection, f"DELETE FROM {self._marks} WHERE id < {old} LIMIT {10 * _SWEPT}")
        except (*FAILURES, TimeoutError, Unavailable):
            self._unswept = _SWEPT  # the next commit tries again


def _moment(seconds: float) -> bytes:
    return int(seconds * 1000).to_bytes(8, "big")


def _fences(database: str) -> str:
    return f"{DIALECT.quoted(database)}.{DIALECT.quoted(_FENCES_NAME)}"


def _marks(database: str) -> str:
    return f"{DIALECT.quoted(database)}.{DIALECT.quoted(_MARKS_NAME)}"
