"""Commits in PostgreSQL: two round trips, one that locks and reads, one that writes and commits."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import psycopg
from psycopg import AsyncConnection, errors

from libs.common.errors import Unavailable
from libs.common.store.postgres import fences
from libs.common.store.postgres.tables import Table
from libs.common.store.sql.plan import Plan

# Gives a connection of the pool; raises Unavailable where none is to be had.
Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[Any]]]

_ATTEMPTS = 10
_RETRIED = ("40", "23505")  # deadlocks and serialization failures; an id that appeared, which fences leave to nobody
_LOST = ("08", "57P")
_OUTCOME_PAUSE = 0.1  # seconds between looks at what became of a transaction


class Commits:
    """Commits plans. A connection that is lost while one is under way is no loss: the server is asked about it."""

    def __init__(
        self, connect: Connect, schema: str, patience: float, unavailable: Callable[[str], Unavailable]
    ) -> None:
        """`patience`: seconds that one attempt may take."""
        self._connect = connect
        self._schema = schema
        self._patience = patience
        self._unavailable = unavailable

    async def commit(self, plan: Plan) -> None:
        """All of the plan's writes or none.

        Raises:
            Conflict: a document was not at its revision.
            Unavailable: the server cannot be reached, or does not answer in time; the text tells where the outcome is
                not known.
        """
        for attempt in range(_ATTEMPTS):
            transaction = _Transaction(plan, self._schema)
            try:
                async with self._connect() as connection, asyncio.timeout(self._patience):
                    await transaction.run(connection)
                return
            except (psycopg.Error, TimeoutError) as error:
                code = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
                if not code.startswith(_RETRIED):
                    if transaction.id is not None and await self._is_committed(transaction.id):
                        return
                    # Nothing was stored; where a connection was lost, the next one is another.
                    if attempt > 0 or not was_lost(error):
                        raise self._unavailable(told(error)) from error
            await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 (no secret)
        raise self._unavailable("commits are in each other's way")

    async def _is_committed(self, transaction: str) -> bool:
        """What became of a transaction whose COMMIT was sent and not answered.

        Raises:
            Unavailable: it cannot be told.
        """
        end = time.monotonic() + self._patience
        while time.monotonic() < end:
            try:
                async with self._connect() as connection, asyncio.timeout(self._patience):
                    row = await (await connection.execute("SELECT pg_xact_status(%s::xid8)", (transaction,))).fetchone()
            except (psycopg.OperationalError, TimeoutError, Unavailable):
                row = None
            if row is not None and row[0] in ("committed", "aborted"):
                return bool(row[0] == "committed")
            await asyncio.sleep(_OUTCOME_PAUSE)
        raise self._unavailable("the connection was lost in a commit, whose outcome is not known")


class _Transaction:
    """One attempt. `id` is set once its COMMIT may be on the way."""

    def __init__(self, plan: Plan, schema: str) -> None:
        self._plan = plan
        self._schema = schema
        self.id: str | None = None

    async def run(self, connection: AsyncConnection[Any]) -> None:
        plan = self._plan
        async with connection.pipeline() as pipeline:
            await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            taken = fences.taken(self._schema, plan.fences())
            fenced = await connection.execute(fences.TAKE, taken) if taken is not None else None
            locked = [
                (table.spec.name, await connection.execute(cast(Table, table).locked, (ids,), binary=True))
                for table, ids in plan.tables()
            ]
            await pipeline.sync()
            rows = {name: await cursor.fetchall() for name, cursor in locked}
            there = {
                name: {id: (revision, bytes(digest)) for _, id, revision, digest in found}
                for name, found in rows.items()
            }
            first = await fenced.fetchone() if fenced is not None else None
            # What changes anything has a fence or a row.
            began = next((found[0] for found in rows.values() if found), first)
            try:
                plan.check(there)
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            for changes in plan.changes(there):
                for sql, values in cast(Table, changes.table).written(changes):
                    await connection.execute(sql, values)
            self.id = began[0] if began else None
            await connection.execute("COMMIT")


def was_lost(error: Exception) -> bool:
    """Whether a connection ended by itself, or by the server's end."""
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(_LOST)


def told(error: Exception) -> str:
    """What an error says."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, errors.QueryCanceled):
        return "a statement took too long"
    return str(error).strip() or type(error).__name__
