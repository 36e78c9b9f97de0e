"""The provider over PostgreSQL 13 or newer, by psycopg: a schema per service, a table per collection.

Every commit is one transaction that locks, compares and writes, so any number of processes may have the same schema
open. What is acknowledged is as durable as the server's settings make it: `synchronous_commit` and `fsync` stay on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg

from libs.common.store.port import CollectionSpec
from libs.common.store.postgres.commits import Commits, told, was_lost
from libs.common.store.postgres.connections import Connections
from libs.common.store.postgres.schema import prepare
from libs.common.store.postgres.tables import Table
from libs.common.store.sql.address import Address
from libs.common.store.sql.plan import Plan
from libs.common.store.sql.served import ServedStore


class PostgresStore(ServedStore):
    """A `Store` in one schema. Open it with `PostgresStore.open`."""

    def __init__(self, address: Address, connections: Connections, schema: str, tables: dict[str, Table]) -> None:
        super().__init__(address, tables)
        self._connections = connections
        # Beyond the server's own limit of a statement, for a server that does not answer at all.
        self._patience = address.patience + 2
        self._writer = Commits(connections.connection, schema, self._patience, address.unavailable)

    @classmethod
    async def open(cls, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> PostgresStore:
        """Brings the schema of the service to what `specs` declare, as `SqliteStore.open` does, and opens a pool.

        Args:
            url: libpq's, with the parameters of `Address` beside its own.
            service: the name of the schema, which is made where it is not there.
            specs: every collection that the store will hold.

        Raises:
            ValueError: an index names a field that its message does not have, or more than three texts.
            Invalid: the URL is malformed.
            Unavailable: the server cannot be reached, refuses the user, or the schema cannot be made.
        """
        address = Address(url)
        connections = Connections(address)
        tables = {spec.name: Table(spec, service) for spec in specs}
        async with connections.alone() as connection:
            try:
                await prepare(connection, service, tables.values())
            except psycopg.Error as error:
                raise address.unavailable(told(error), retry_after=None) from error
        await connections.open()
        return cls(address, connections, service, tables)

    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        for attempt in (1, 2):
            try:
                async with self._connections.connection() as connection, asyncio.timeout(self._patience):
                    cursor = await connection.execute(sql, values, binary=True)
                    return await cursor.fetchall()
            except (psycopg.DataError, OverflowError):
                return []  # a text with NUL, or a number beyond 64 bits: nothing stored is equal to it
            except (psycopg.Error, TimeoutError) as error:
                # A connection that was lost is no reason to fail a read; the next one is another.
                if attempt == 2 or not was_lost(error):
                    raise self._address.unavailable(told(error)) from error
        raise self._address.unavailable("the connection was lost")

    async def _write(self, plan: Plan) -> None:
        await self._writer.commit(plan)

    async def _let_go(self) -> None:
        await self._connections.close()
