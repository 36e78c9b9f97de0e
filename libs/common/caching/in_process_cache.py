"""The cache of a process whose documents nobody else writes: what is forgotten is gone at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

from libs.common.caching.port import Look

# Bytes that a scope, and one of its values, take besides their keys and values: about.
_SCOPE_BYTES = 600
_VALUE_BYTES = 200
# Values of a scope: what one person asks for does not drive out what all others have.
_MOST_VALUES = 32


class InProcessCache:
    """A `Cache` of at most `most_bytes`: the scopes that were looked at longest ago make room."""

    found = "process"

    def __init__(self, *, most_bytes: int = 64 * 2**20, now: Callable[[], float] = time.monotonic) -> None:
        """Args:
        most_bytes: of all values together with what they take besides.
        now: in seconds.
        """
        self._most_bytes = most_bytes
        self._now = now
        self._versions = count(1)
        self._bytes = 0
        # In the order in which they were looked at.
        self._scopes: dict[str, _Scope] = {}

    async def look(self, scope: str, key: bytes) -> Look:
        """See `Cache.look`."""
        held = self._scopes.pop(scope, None)
        if held is None:
            held = _Scope(next(self._versions), _SCOPE_BYTES + len(scope))
            self._bytes += held.size
        self._scopes[scope] = held
        self._make_room()
        until, value = held.values.get(key, (0.0, None))
        if value is not None and until <= self._now():
            self._drop(held, key)
            value = None
        return Look(held.version, value)

    def put(self, scope: str, key: bytes, version: int, value: bytes, seconds: int) -> None:
        """See `Cache.put`."""
        held = self._scopes.get(scope)
        if held is None or held.version != version:
            return
        if key in held.values:
            self._drop(held, key)
        elif len(held.values) >= _MOST_VALUES:
            self._drop(held, next(iter(held.values)))
        held.values[key] = (self._now() + seconds, value)
        self._grow(held, _size(key, value))
        self._make_room()

    def forget(self, scope: str) -> None:
        """See `Cache.forget`."""
        held = self._scopes.pop(scope, None)
        if held is not None:
            self._bytes -= held.size

    def _drop(self, held: _Scope, key: bytes) -> None:
        _, value = held.values.pop(key)
        self._grow(held, -_size(key, value))

    def _grow(self, held: _Scope, size: int) -> None:
        held.size += size
        self._bytes += size

    def _make_room(self) -> None:
        while self._bytes > self._most_bytes:
            self.forget(next(iter(self._scopes)))


class _Scope:
    """`size` is in bytes, with all that it holds; `values` are by key, each with the second at which it ends."""

    __slots__ = ("size", "values", "version")

    def __init__(self, version: int, size: int) -> None:
        self.version = version
        self.size = size
        self.values: dict[bytes, tuple[float, bytes]] = {}


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _VALUE_BYTES
