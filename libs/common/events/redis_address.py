"""The one Redis, by the bus's URL."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Connection
from redis.asyncio.connection import parse_url

from libs.common.errors import Invalid


class RedisAddress:
    """Where Redis is, and the prefix of our channels and keys there. Printed without secrets."""

    def __init__(self, url: str) -> None:
        """Raises:
        Invalid: the URL is malformed.
        """
        malformed = Invalid("the bus's URL is malformed: redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]")
        try:
            # What these raise may quote the password.
            parts, options = urlsplit(url), dict[str, Any](parse_url(url))
        except ValueError:
            raise malformed from None
        number = re.fullmatch(r"/?(\d*)", parts.path)
        parameters = parse_qs(parts.query, keep_blank_values=True)
        if (
            not parts.hostname
            or number is None
            or parts.fragment
            or any(not one.startswith("ssl_") for one in parameters)
        ):
            raise malformed
        self.prefix = f"llmchat.{int(number[1] or 0)}."
        self._class = options.pop("connection_class", Connection)
        # Pub/sub knows no databases. No time-outs of redis-py's: a reader waits for ever, and the heartbeat watches.
        self._options = options | {"db": 0, "protocol": 2, "socket_timeout": None, "socket_connect_timeout": None}
        try:
            self._place = parts.hostname, self._connection().port
        except TypeError:
            raise malformed from None
        # A name server that does not answer holds this thread, and none of those by which the store's host is found.
        self._finding = ThreadPoolExecutor(1, "redis-host")

    def __str__(self) -> str:
        host, port = self._place
        return f"{host}:{port}"

    def without_password(self, text: str) -> str:
        """The text as a log may show it: a server that does not know a command quotes its arguments."""
        password = self._options.get("password")
        return text.replace(password, "…") if password else text

    @asynccontextmanager
    async def connected(self, within: float) -> AsyncIterator[Connection]:
        """A bare connection: redis-py's clients connect again and repeat commands by themselves, and what was lost is
        not seen.

        Raises:
            TimeoutError: it took more than `within` seconds.
            OSError, RedisError: there is none.
        """
        connection = self._connection()
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().run_in_executor(self._finding, socket.getaddrinfo, *self._place)
                await connection.connect()  # type: ignore[no-untyped-call] # the one method without types
            yield connection
        finally:
            await connection.disconnect(nowait=True)

    def _connection(self) -> Connection:
        connection: Connection = self._class(**self._options)
        return connection
