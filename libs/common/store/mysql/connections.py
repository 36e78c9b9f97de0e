"""The connections to one MySQL server: a pool, and several statements in one round trip."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from asyncmy import errors
from asyncmy.connection import Connection, connect
from asyncmy.constants import CLIENT
from asyncmy.pool import Pool

from libs.common.errors import Conflict, Invalid
from libs.common.store.sql.address import Address

FAILURES = (errors.MySQLError, OSError)
_CONNECT_PATIENCE = 5  # seconds
_PORT = 3306
# The server ends a transaction whose process is frozen after so many seconds without a word from it. Who is idle in the
# pool for a shorter time is given out.
_SILENCE = 30
_IDLE = 20
_PARAMETERS = ("ssl", "ssl_ca")


class Connections:
    """A pool. Beside those of `Address`, the URL's parameters are `ssl=true` and `ssl_ca=FILE`."""

    def __init__(self, address: Address) -> None:
        """Reads the address.

        Raises:
            Invalid: it has other parameters.
        """
        if unknown := address.parameters.keys() - set(_PARAMETERS):
            raise Invalid(f"mysql:// URL: no parameters {sorted(unknown)}", reason="INVALID_STORE_URL")
        self._address = address
        settings = {
            "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            "innodb_lock_wait_timeout": max(1, int(address.patience)),
            "lock_wait_timeout": 60,
            "wait_timeout": _SILENCE,
        }
        self._options: dict[str, Any] = {
            "host": address.host,
            "port": address.port or _PORT,
            "user": address.user,
            "password": address.password,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": _CONNECT_PATIENCE,
            "client_flag": CLIENT.MULTI_STATEMENTS,
            "init_command": f"SET SESSION {', '.join(f'{name} = {value}' for name, value in settings.items())}",
            "ssl": _encryption(address),
        }
        self._pool = Pool(minsize=0, maxsize=address.pool_size, pool_recycle=_IDLE, **self._options)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """A connection beside the pool, whose statements may take long.

        Raises:
            Unavailable: there is none.
        """
        try:
            connection = await connect(**self._options)
        except (*FAILURES, TimeoutError) as error:
            raise self._address.unavailable(told(error), retry_after=None) from error
        try:
            yield connection
        finally:
            connection.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One of the pool's; it is closed where what it was used for failed, a conflict excepted.

        Raises:
            Unavailable: none is free, or can be made, in time.
        """
        try:
            async with asyncio.timeout(self._address.pool_wait):
                connection = await self._pool.acquire()
        except TimeoutError as error:
            raise self._address.unavailable("no connection in time") from error
        except (*FAILURES, RuntimeError) as error:
            raise self._address.unavailable(told(error)) from error
        try:
            yield connection
        except Conflict:
            raise
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool.release(connection)

    async def close(self) -> None:
        """Closes the pool."""
        self._pool.close()
        await self._pool.wait_closed()


async def run(connection: Connection, *statements: str) -> list[Sequence[Any]]:
    """The rows of each of the statements, which go to the server together; those after one that fails are not run.

    Raises:
        asyncmy.errors.MySQLError: as the server does.
    """
    results: list[Sequence[Any]] = []
    async with connection.cursor() as cursor:
        await cursor.execute(";".join(statements))
        results.append(await cursor.fetchall())
        while await cursor.nextset():
            results.append(await cursor.fetchall())
    return results


def code(error: BaseException) -> int:
    """MySQL's number of an error; 0 where there is none."""
    number = error.args[0] if isinstance(error, errors.MySQLError) and error.args else 0
    return number if isinstance(number, int) else 0


def told(error: BaseException) -> str:
    """What an error says."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error.args[-1]) if error.args else type(error).__name__


def _encryption(address: Address) -> ssl.SSLContext | None:
    authority = address.parameters.get("ssl_ca")
    if authority is None and address.parameters.get("ssl", "false") != "true":
        return None
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise Invalid(f"mysql:// URL: ssl_ca: {error.strerror}", reason="INVALID_STORE_URL") from error
