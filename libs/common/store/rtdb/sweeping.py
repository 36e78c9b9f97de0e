"""Takes away what nobody needs any more: tombstones, marks of commits, and counts of nothing.

The rules allow none of it too early, so a clock that is wrong does no harm.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.port import Delete
from libs.common.store.rtdb.client import Client, Refused
from libs.common.store.rtdb.commits import Draft
from libs.common.store.rtdb.nodes import Collection
from libs.common.store.rtdb.rules import KEPT_MS

# After so many deletions from a collection twice as many old ones go.
_EVERY = 100
_PORTION = 2 * _EVERY


class Sweeping:
    """The sweeps of one store: the first with its first deletion from a collection, then with every hundredth."""

    def __init__(self, client: Client, kept_ms: int = KEPT_MS) -> None:
        """`kept_ms` is what the rules say of tombstones, in milliseconds."""
        self._client = client
        self._kept_ms = kept_ms
        self._deletions: Counter[str] = Counter()

    def due(self, drafts: Sequence[Draft]) -> Iterator[Collection[Any]]:
        """The collections to be swept after a commit."""
        for draft in drafts:
            if isinstance(draft.write, Delete) and draft.write.if_revision != 0:
                name = draft.collection.spec.name
                if self._deletions[name] % _EVERY == 0:
                    yield draft.collection
                self._deletions[name] += 1

    async def sweep(self, collection: Collection[Any]) -> None:
        """Takes away a portion of each kind; what the rules refuse, or no answer comes to, is left to the next time."""
        old = {"start_at": 1, "end_at": int(time.time() * 1000) - self._kept_ms, "limit_to_first": _PORTION}
        await self._remove(collection.documents, "at", old)
        await self._remove("commits", "at", old)
        await self._remove(collection.counts, "$value", {"equal_to": 0, "limit_to_first": _PORTION})

    async def _remove(self, path: str, order: str, bounds: Mapping[str, int]) -> None:
        with suppress(Unavailable, Refused):
            found = await self._client.children(path, order, **bounds)
            if found:
                await self._client.update({f"{path}/{key}": None for key in found})
