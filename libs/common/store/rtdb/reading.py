"""Reads of a Realtime Database: documents, pages, counts and searches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.port import MAX_PAGE, M, Query, Search, Stored
from libs.common.store.rtdb.client import Client, Tree
from libs.common.store.rtdb.commits import Commits
from libs.common.store.rtdb.keys import ABOVE, END, word_key
from libs.common.store.rtdb.nodes import Collection

_PORTION = 4 * 1024 * 1024  # bytes of documents in one answer, about
_SIZE = 40 * 1024  # bytes that a collection's documents are taken for until some were read
_LOOKS = 100


class Reading:
    """The reads of one store. What they see of documents spares its commits to look."""

    def __init__(self, client: Client, commits: Commits) -> None:
        self._client = client
        self._commits = commits
        # By collection, bytes that a document had on average when some were read last.
        self._sizes: dict[str, int] = {}

    async def get(self, collection: Collection[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        node = await self._node(collection, id)
        return None if node is None else collection.stored(node)

    async def get_many(self, collection: Collection[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, as they were at one moment."""
        nodes: dict[str, Tree | None] = {}
        moved = list(ids)
        for _ in range(_LOOKS):
            nodes |= zip(moved, await asyncio.gather(*(self._node(collection, id) for id in moved)), strict=True)
            # Revisions only grow: if all of them still stand after the last was read, they stood together then.
            revs = await asyncio.gather(*(self._rev(collection, id) for id in ids)) if len(ids) > 1 else []
            moved = [id for id, rev in zip(ids, revs, strict=False) if rev != (nodes[id] or {}).get("rev")]
            if not moved:
                found = (nodes[id] for id in ids)
                return [stored for node in found if node and (stored := collection.stored(node)) is not None]
        raise Unavailable("others wrote the same documents at each look")

    async def query(self, collection: Collection[M], query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        found: list[Stored[M]] = []
        async for nodes in self._portions(collection, query, query.limit):
            for node in nodes:
                stored = collection.stored(node)
                if stored is not None:
                    found.append(stored)
                    self._commits.saw(collection, stored.id, node)
            size = sum(len(stored.body) for stored in found) // max(1, len(found))
            self._sizes[collection.spec.name] = max(1024, size)
        return found

    async def portion(self, collection: Collection[M], query: Query[M]) -> list[Tree]:
        """The nodes of the first of the query's documents, as many as are read together."""
        async with aclosing(self._portions(collection, query, query.limit)) as portions:
            return await anext(portions, [])

    async def count(self, collection: Collection[M], query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        if query.index is None and query.prefix:
            whole = Query.by_id(query.spec, query.prefix)
            return sum([len(nodes) async for nodes in self._portions(collection, whole, None)])
        counted = collection.counted(query)
        return int(await self._client.get(counted) or 0) if counted else 0

    async def search(self, collection: Collection[M], search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, those where they weigh more first."""
        try:
            words = collection.words_of(search.within)
            *whole, last = map(word_key, search.words)
        except UnicodeEncodeError:  # half of a surrogate pair: nothing stored has it
            return []
        begun, *entries = await asyncio.gather(
            self._client.children(words, "$key", start_at=last, end_at=f"{last}{ABOVE}"),
            *(self._client.get(f"{words}/{word}") for word in whole),
        )
        matches = [_weights([entry]) for entry in entries] + [_weights(begun.values())]
        weights = {id: sum(match[id] for match in matches) for id in set.intersection(*map(set, matches))}
        best = sorted(weights, key=lambda id: (-weights[id], id))[search.offset : search.offset + search.limit]
        documents = await asyncio.gather(*(self.get(collection, id) for id in best))
        return [stored for stored in documents if stored is not None]

    async def _portions(
        self, collection: Collection[M], query: Query[M], limit: int | None
    ) -> AsyncGenerator[list[Tree], None]:
        """The nodes of a query's documents, in its order; all of them without a limit."""
        bounds = collection.range(query)
        if bounds is None:
            return
        order, low, high = bounds
        limit_to = "limit_to_last" if query.descending else "limit_to_first"
        rest = limit
        while low <= high and rest != 0:
            size = max(1, _PORTION // self._sizes.get(collection.spec.name, _SIZE))
            portion = min(size, MAX_PAGE if rest is None else rest)
            found = await self._client.children(
                collection.documents, order, start_at=low, end_at=high, **{limit_to: portion}
            )
            nodes = list(found.values())
            if query.descending:
                nodes.reverse()
            yield nodes
            if len(nodes) < portion:
                return
            rest = rest if rest is None else rest - len(nodes)
            last = nodes[-1]["k"][order.removeprefix("k/")].removesuffix(END)
            # Without its end a string stands before itself; with "!" behind itself.
            low, high = (low, last) if query.descending else (f"{last}!", high)

    async def _node(self, collection: Collection[Any], id: str) -> Tree | None:
        try:
            node: Tree | None = await self._client.get(collection.path(id))
        except UnicodeEncodeError:  # half of a surrogate pair: nothing stored has it
            return None
        self._commits.saw(collection, id, node)
        return node

    async def _rev(self, collection: Collection[Any], id: str) -> Any:
        try:
            return await self._client.get(f"{collection.path(id)}/rev")
        except UnicodeEncodeError:
            return None


def _weights(entries: Any) -> Counter[str]:
    """What the words weigh, by the document's id."""
    weights: Counter[str] = Counter()
    for entry in entries:
        for value in (entry or {}).values():
            weight, _, id = value.partition(" ")
            weights[id] += float(weight)  # type: ignore[assignment]
    return weights
