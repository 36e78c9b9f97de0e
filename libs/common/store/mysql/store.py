"""The provider over MySQL 8 and MariaDB 10.11 or newer, by asyncmy: a database per service, a table per collection.

Every commit is one transaction that locks, compares and writes, so any number of processes may have the same database
open. What is acknowledged is as durable as the server's settings make it: `innodb_flush_log_at_trx_commit` stays 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from libs.common.store.mysql.commits import Commits
from libs.common.store.mysql.connections import FAILURES, Connections, code, run, told
from libs.common.store.mysql.schema import prepare
from libs.common.store.mysql.tables import Table, filled
from libs.common.store.port import CollectionSpec, M, Stored
from libs.common.store.sql.address import Address
from libs.common.store.sql.plan import Plan
from libs.common.store.sql.served import ServedStore

_FROM_SERVER = range(1000, 2000)
_LARGEST = 16 * 2**20 - 2**10  # bytes that the driver sends in one piece


class MysqlStore(ServedStore):
    """A `Store` in one database. Open it with `MysqlStore.open`."""

    def __init__(
        self, address: Address, connections: Connections, database: str, tables: dict[str, Table], largest: int
    ) -> None:
        super().__init__(address, tables)
        self._connections = connections
        # Beyond the server's own limit of waiting for a lock.
        self._patience = address.patience + 2
        self._writer = Commits(connections.connection, database, address, self._patience, largest)

    @classmethod
    async def open(cls, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> MysqlStore:
        """Brings the database of the service to what `specs` declare, as `SqliteStore.open` does, and opens a pool.

        Args:
            url: `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, with the parameters of `Connections`.
            service: the database is `{DATABASE}_{service}`, which is made where it is not there.
            specs: every collection that the store will hold.

        Raises:
            ValueError: an index names a field that its message does not have, or more than three texts.
            Invalid: the URL is malformed.
            Unavailable: the server cannot be reached, refuses the user, or the database cannot be made.
        """
        address = Address(url)
        connections = Connections(address)
        database = f"{address.database}_{service}"
        async with connections.alone() as connection:
            try:
                [[(version, largest)]] = await run(connection, "SELECT VERSION(), @@max_allowed_packet")
                is_mariadb = "mariadb" in version.lower()
                tables = {spec.name: Table(spec, database, is_mariadb=is_mariadb) for spec in specs}
                await prepare(connection, database, list(tables.values()))
            except (*FAILURES, TimeoutError) as error:
                raise address.unavailable(told(error), retry_after=None) from error
        return cls(address, connections, database, tables, min(int(largest) - 2**10, _LARGEST))

    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        statement = filled(sql, values)
        for attempt in (1, 2):
            try:
                async with self._connections.connection() as connection, asyncio.timeout(self._patience):
                    results = await run(connection, statement)
                    return list(next(filter(None, results), ()))  # of several, all but one have no rows
            except (*FAILURES, TimeoutError) as error:
                # A connection that was lost is no reason to fail a read; the next one is another.
                lost = code(error) not in _FROM_SERVER and not isinstance(error, TimeoutError)
                if attempt == 2 or not lost:
                    raise self._address.unavailable(told(error)) from error
        raise self._address.unavailable("the connection was lost")

    async def _write(self, plan: Plan) -> None:
        await self._writer.commit(plan)

    async def _let_go(self) -> None:
        await self._connections.close()

    def _stored(self, spec: CollectionSpec[M], rows: Sequence[Any]) -> list[Stored[M]]:
        kind = spec.message
        return [Stored(key.decode(), revision, body, kind) for key, revision, body, *_ in rows]
