"""The one Redis, by the bus's URL."""

from __future__ import annotations

import re
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
            self._name = f"{parts.hostname}:{self.connection().port}"
        except TypeError:
            raise malformed from None

    def __str__(self) -> str:
        return self._name

    def without_password(self, text: str) -> str:
        """The text as a log may show it: a server that does not know a command quotes its arguments."""
        password = self._options.get("password")
        return text.replace(password, "…") if password else text

    def connection(self) -> Connection:
        """A connection that is not yet open."""
        connection: Connection = self._class(**self._options)
        return connection
