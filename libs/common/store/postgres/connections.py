"""The connections to one PostgreSQL database: from its URL, in a pool, looked at before they are given out."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from libs.common.store.sql.address import Address

_CONNECT_PATIENCE = 5  # seconds
_RECONNECT_PATIENCE = 3  # seconds that the pool tries by itself; then whoever asks for a connection makes it try again
_DOWN_WAIT = 1  # seconds that a call waits for a connection while there is no server
_GONE_AFTER = 10_000  # milliseconds that sent bytes may stay without an acknowledgement


class Connections:
    """A pool. The URL is libpq's, with the parameters of `Address` beside its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.unavailable = address.unavailable
        self._down = False
        adapters = AdaptersMap(psycopg.adapters)
        for dumper in (Int8Dumper, Int8BinaryDumper):  # one type for all numbers: one prepared statement
            adapters.register_dumper(int, dumper)
        self._kwargs: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": _CONNECT_PATIENCE,
            "tcp_user_timeout": _GONE_AFTER,
            "application_name": "llmchat",
            "context": _Context(adapters),
        }
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            address.driver_url,
            kwargs=self._kwargs,
            min_size=1,
            max_size=address.pool_size,
            timeout=address.pool_wait,
            reconnect_timeout=_RECONNECT_PATIENCE,
            reconnect_failed=self._failed,
            configure=self._configure,
            check=_check,
            open=False,
        )

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection beside the pool, whose statements may take long.

        Raises:
            Unavailable: there is none.
        """
        try:
            connection = await AsyncConnection.connect(self._address.driver_url, **self._kwargs)
        except psycopg.Error as error:
            raise self.unavailable(str(error), retry_after=None) from error
        async with connection:
            yield connection

    async def open(self) -> None:
        """Lets the pool begin."""
        await self._pool.open()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """One of the pool's.

        Raises:
            Unavailable: none is free, or can be made, in time.
        """
        try:
            connection = await self._pool.getconn(_DOWN_WAIT if self._down else None)
        except PoolTimeout as error:
            raise self.unavailable("no connection in time") from error
        except PoolClosed as error:
            raise self.unavailable("the store is closed") from error
        try:
            async with connection:
                yield connection
        finally:
            await self._pool.putconn(connection)

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()

    def _failed(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._down = True

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        self._down = False
        connection.prepared_max = 500
        milliseconds = int(self._address.patience * 1000)
        # Every query is on an index; before the first ANALYZE the planner may think otherwise. A process that is frozen
        # in its transaction loses it, and holds up nobody.
        for name, value in (
            ("statement_timeout", str(milliseconds)),
            ("idle_in_transaction_session_timeout", str(milliseconds)),
            ("enable_seqscan", "off"),
            ("jit", "off"),
        ):
            await connection.execute("SELECT set_config(%s, %s, FALSE)", (name, value))


class _Context:
    """How values are given to connections."""

    def __init__(self, adapters: AdaptersMap) -> None:
        self.adapters = adapters
        self.connection = None


async def _check(connection: AsyncConnection[Any]) -> None:
    """Raises where the server has ended an idle connection: then there is something to read. It asks nobody."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if connection.closed or poll.poll(0):
        await connection.close()  # the pool replaces what is closed alone
        raise psycopg.OperationalError("the server has closed the connection")
