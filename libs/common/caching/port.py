"""The cache port: bytes by scope and key, forgotten a whole scope at a time."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Look(NamedTuple):
    """What a look found: the value, if any, and the version under which one may be put; None: not now."""

    version: int | None
    value: bytes | None


NOT_NOW = Look(None, None)


class Cache(Protocol):
    """What is put is there for its seconds at most, unless its scope is forgotten or it is dropped for others.

    A scope's version is there from the first look at it until it is forgotten; it is a new one then, never one that was
    there before. So who looks before reading the store, and puts what was read under the version of that look, leaves
    nothing that is older than the last `forget`.
    """

    # What metrics call a value that was found here.
    found: str

    async def look(self, scope: str, key: bytes) -> Look:
        """What is remembered for `key`."""
        ...

    def put(self, scope: str, key: bytes, version: int, value: bytes, seconds: int) -> None:
        """Remembers `value`, read after the look that gave `version`, unless the scope has been forgotten since.

        It may be lost.
        """
        ...

    def forget(self, scope: str) -> None:
        """Has nothing of what was put so far be found in this process, and soon in any other."""
        ...
