"""The provider that keeps everything in this process's memory and forgets it at the end: for tests and trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message

from libs.common.errors import Conflict, Unavailable
from libs.common.store.fields import indexed_fields
from libs.common.store.port import CollectionSpec, IndexValue, M, Put, Query, Search, Stored, UnindexedQuery, Write
from libs.common.store.rules import check_writes
from libs.common.store.words import TextFields


@dataclass(frozen=True, slots=True)
class _Row:
    revision: int
    body: bytes
    values: dict[str, IndexValue]
    # What the text index holds: whose it is, and the words of each field.
    within: IndexValue = ""
    words: tuple[list[str], ...] = ()


class MemoryStore:
    """A `Store` over dictionaries: every query looks at every document."""

    def __init__(self, specs: Sequence[CollectionSpec[Any]]) -> None:
        """Starts empty.

        Raises:
            ValueError: an index names a field that its message does not have.
        """
        self._specs: dict[str, CollectionSpec[Message]] = {spec.name: spec for spec in specs}
        self._fields = {spec.name: indexed_fields(spec) for spec in specs}
        self._texts = {spec.name: TextFields(spec, spec.text) for spec in specs if spec.text}
        self._rows: dict[str, dict[str, _Row]] = {spec.name: {} for spec in specs}
        self._closed = False

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        self._check_open()
        row = self._rows[spec.name].get(id)
        return None if row is None else Stored(id, row.revision, row.body, spec.message)

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        found = [await self.get(spec, key) for key in dict.fromkeys(ids)]
        return [stored for stored in found if stored is not None]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        places = sorted(self._places(query), reverse=query.descending)
        if query.after is not None and query.after.id:
            last = (query.after.value if query.index else None, query.after.id)
            places = [place for place in places if (place < last if query.descending else place > last)]
        elif query.after is not None and query.index:
            value: Any = query.after.value
            places = [place for place in places if (place[0] <= value if query.descending else place[0] >= value)]
        rows = self._rows[query.spec.name]
        kind = query.spec.message
        return [Stored(key, rows[key].revision, rows[key].body, kind) for _, key in places[: query.limit]]

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        return sum(1 for _ in self._places(query))

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words; each occurrence counts what its field weighs."""
        self._check_open()
        kind = search.spec.message
        matches = [
            (-weight, Stored(key, row.revision, row.body, kind))
            for key, row in self._rows[search.spec.name].items()
            if (weight := _weight(search, row))
        ]
        matches.sort(key=lambda match: (match[0], match[1].id))
        return [stored for _, stored in matches[search.offset : search.offset + search.limit]]

    async def commit(self, writes: Sequence[Write]) -> None:
        """Checks every revision, then applies every write; nothing else runs in between."""
        self._check_open()
        check_writes(writes, self._specs)
        prepared = [(write, self._prepared(write)) for write in writes]
        for write in writes:
            row = self._rows[write.collection].get(write.id)
            if write.if_revision is not None and write.if_revision != (row.revision if row else 0):
                raise Conflict(write.collection, write.id)
        for write, row in prepared:
            if row is None:
                self._rows[write.collection].pop(write.id, None)
            else:
                self._rows[write.collection][write.id] = row

    async def ping(self) -> None:
        """Returns unless the store is closed."""
        self._check_open()

    async def close(self) -> None:
        """Forgets everything; safe to repeat."""
        self._closed = True
        self._rows.clear()

    def _prepared(self, write: Write) -> _Row | None:
        if not isinstance(write, Put):
            return None
        before = self._rows[write.collection].get(write.id)
        values = {field.path: field.read(write.message) for field in self._fields[write.collection]}
        revision = write.revision or (before.revision if before else 0) + 1
        row = _Row(revision, write.message.SerializeToString(), values)
        text = self._texts.get(write.collection)
        if text is None:
            return row
        return replace(row, within=text.within(write.message), words=tuple(text.words(write.message)))

    def _places(self, query: Query[M]) -> Iterable[tuple[Any, str]]:
        """(order value, id) of every document that the query holds; the value is None in id order."""
        self._check_open()
        rows = self._rows[query.spec.name]
        index = query.index
        if index is None:
            return ((None, key) for key in rows if key.startswith(query.prefix))
        if index not in self._specs[query.spec.name].indexes:
            raise UnindexedQuery(f"{query.spec.name}: the store was opened without the index {index.name}")
        wanted = tuple(zip(index.equals, query.equals, strict=True))
        return (
            (row.values[index.order], key)
            for key, row in rows.items()
            if all(row.values[path] == value for path, value in wanted)
        )

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


def _weight(search: Search[Any], row: _Row) -> float:
    """How well a document matches; 0 where it does not."""
    if row.within != search.within or search.spec.text is None:
        return 0.0
    *whole, last = search.words
    weights = tuple(search.spec.text.fields.values())
    counts = [
        sum(weight * sum(map(matches, words)) for weight, words in zip(weights, row.words, strict=True))
        for matches in (*(word.__eq__ for word in whole), lambda word: word.startswith(last))
    ]
    return sum(counts) if all(counts) else 0.0
