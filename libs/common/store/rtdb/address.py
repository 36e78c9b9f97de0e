"""Where a Realtime Database is: what its URL says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from libs.common.errors import Invalid

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Address:
    """`rtdb://HOST/PATH?ns=…&timeout=…`: `path` are the keys that lead to what the database keeps for us.

    With `ns` it is an emulator at HOST, whose namespace that is, else a database of Google's. `timeout` is in seconds:
    how long a call waits for the connection, and how long for the next bytes of its answer.
    """

    host: str
    path: tuple[str, ...]
    namespace: str
    timeout: float

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads a URL.

        Raises:
            Invalid: it is malformed.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise Invalid("a Realtime Database's URL is rtdb://HOST/PATH, with a host") from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        namespace, timeout = options.pop("ns", ""), options.pop("timeout", str(_TIMEOUT))
        path = keys_of(unquote(parts.path))
        if not parts.hostname or "@" in parts.netloc or parts.fragment or options:
            raise Invalid("a Realtime Database's URL is rtdb://HOST/PATH, with the options ns and timeout")
        try:
            seconds = float(timeout)
        except ValueError:
            seconds = 0
        if not 0 < seconds <= 600:
            raise Invalid("the timeout of a Realtime Database's URL is a number of seconds up to 600")
        return cls(parts.netloc, path, namespace, seconds)

    @property
    def database_url(self) -> str:
        """The database's URL as firebase-admin takes it."""
        return f"http://{self.host}/?ns={self.namespace}" if self.namespace else f"https://{self.host}"

    def __str__(self) -> str:
        return "/".join((self.host, *self.path))


def keys_of(path: str) -> tuple[str, ...]:
    """The keys of a path in a Realtime Database.

    Raises:
        Invalid: it holds other characters than letters, digits, `_`, `-` and `/`.
    """
    keys = tuple(key for key in path.split("/") if key)
    if not all(map(_KEY.fullmatch, keys)):
        raise Invalid("the path of a Realtime Database's URL has letters, digits, _ and - between its slashes")
    return keys
