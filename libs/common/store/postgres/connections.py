"""The connections to one PostgreSQL database: from its URL, in a pool, looked at before they are given out."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from libs.common.errors import Invalid, Unavailable

_CONNECT_PATIENCE = 5  # seconds
_GONE_AFTER = 10_000  # milliseconds that sent bytes may stay without an acknowledgement
_OWN = {"pool_size": "8", "pool_wait": "5", "statement_timeout": "10"}


class Connections:
    """A pool. Besides libpq's, the URL's parameters are `pool_size` (connections at most, 8), `pool_wait` (seconds that
    a call waits for one, 5) and `statement_timeout` (seconds, 10).
    """

    def __init__(self, url: str) -> None:
        """Reads the URL.

        Raises:
            Invalid: it is malformed.
        """
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query))
        own = {name: _positive(name, parameters.pop(name, default)) for name, default in _OWN.items()}
        self.patience = own["statement_timeout"]
        self._password = parts.password or ""
        self.place = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._info = urlunsplit(parts._replace(query=urlencode(parameters)))
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
            self._info,
            kwargs=self._kwargs,
            min_size=1,
            max_size=int(own["pool_size"]),
            timeout=own["pool_wait"],
            reconnect_timeout=own["pool_wait"],
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
            connection = await AsyncConnection.connect(self._info, **self._kwargs)
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
            connection = await self._pool.getconn()
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

    def unavailable(self, text: str, retry_after: float | None = 1.0) -> Unavailable:
        """The error to raise; the password is in none."""
        if self._password:
            text = text.replace(self._password, "***")
        return Unavailable(f"{self.place}: {text.strip()}", retry_after=retry_after)

    async def _configure(self, connection: AsyncConnection[Any]) -> None:
        connection.prepared_max = 500
        milliseconds = int(self.patience * 1000)
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
        raise psycopg.OperationalError("the server has closed the connection")


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if value <= 0 or (name == "pool_size" and not value.is_integer()):
        raise Invalid(f"postgresql:// URL: {name} is no positive number", reason="INVALID_STORE_URL")
    return value
