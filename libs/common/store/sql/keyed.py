"""Tables of engines that index no long texts: an index holds where a text begins, and its order stays right.

Of what an index orders, a text that is longer than its key ties with others that begin alike. Such rows are rare, and
told by a last column of the rows that are selected: then the same is asked for in the exact order, which is sorted.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec, Index, Query
from libs.common.store.sql.dialect import Dialect, Keys
from libs.common.store.sql.postings import Postings
from libs.common.store.sql.table import Table

_MOST_TEXTS = 3  # in one index: their keys and an id are what the engines take at most


class KeyedTable(Table):
    """The statements of one collection that read, and the values that its rows are written with.

    `asks_first`: the statement in exact order has another before it that asks what the equalities hold.
    """

    asks_first = False

    def __init__(self, spec: CollectionSpec[Message], dialect: Dialect, keys: Keys, home: str = "") -> None:
        """Prepares the statements.

        Raises:
            ValueError: an index names a field that its message does not have, or holds more than three texts; the text
                index names one that is not there, or is no text.
        """
        super().__init__(spec, dialect, home)
        self.keys = keys
        self.texts = [field.path for field in self.fields if field.kind is str]
        for index in spec.indexes:
            if sum(path in self.texts for path in index.fields) > _MOST_TEXTS:
                raise ValueError(f"{spec.name}: index {index.name}: more than {_MOST_TEXTS} texts")
        self._given = {field.path: keys.given[field.kind] for field in self.fields}
        self.postings = Postings(spec, spec.text) if spec.text else None
        # The table of the postings, whether there is one or not.
        words_name = f"{spec.name}.words"
        self.words = f"{home}.{self.quoted(words_name)}" if home else self.quoted(words_name)
        words = [self.postings.column] if self.postings else []
        self.names = ["id", "revision", "body", *(f"message.{field.path}" for field in self.fields), *words]

    def key(self, path: str) -> str:
        """What an index holds of a field."""
        return self.keys.of(f"message.{path}") if path in self.texts else self.column(path)

    def field_values(self, message: Message) -> tuple[Any, ...]:
        """What the columns hold for a message, in the order of `fields`."""
        values = zip(self._given.values(), super().field_values(message), strict=True)
        return tuple([given(value) for given, value in values])

    def among(self, ids: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters that select documents by their ids."""
        return self.chosen(len(ids)), tuple(ids)

    def selected(self, query: Query[Any], *, exactly: bool = False) -> tuple[str, tuple[Any, ...]]:
        """As `Table.selected`; a fourth column tells where a row's place is not sure, unless asked for `exactly`."""
        index, after = query.index, query.after
        if index is None:
            return self._ranges[query.descending], (*self.id_range(query), query.limit)
        values = held = self._held_values(query)
        if after is not None:
            value = self._given[index.order](after.value)
            exactly = exactly or (index.order in self.texts and len(value) >= self.keys.length)
            place = (value,) if self.dialect.pairs else (value, value)
            values = (*held, *place, self.id_of(query))
        if exactly:
            sql, before = self._exact(index, query.descending, after is not None), held if self.asks_first else ()
            return sql, (*before, *values, query.limit)
        shape = (index, query.descending, after is not None)
        sql = self._queries.get(shape) or self._queries.setdefault(shape, self._query(*shape))
        return sql, (*values, query.limit)

    def counted(self, query: Query[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters that count what a query's equalities or prefix hold."""
        if query.index is None:
            return super().counted(query)
        return f"{self._count} WHERE {self._held(query.index)}", self._held_values(query)

    def _exact(self, index: Index, descending: bool, after: bool) -> str:
        return self._ordered(index, descending, after, self.column(index.order), "")

    def _query(self, index: Index, descending: bool, after: bool) -> str:
        unsure = ""
        if index.order in self.texts:
            unsure = f", LENGTH({self.column(index.order)}) >= {self.keys.length}"
        return self._ordered(index, descending, after, self.key(index.order), unsure)

    def _ordered(self, index: Index, descending: bool, after: bool, order: str, unsure: str) -> str:
        mark, less = self.dialect.mark, "<" if descending else ">"
        pair = f"({order}, id) {less} ({mark}, {mark})"
        parts = f"({order} {less} {mark} OR ({order} = {mark} AND id {less} {mark}))"
        place = f" AND {pair if self.dialect.pairs else parts}" if after else ""
        way = " DESC" if descending else ""
        return (
            f"SELECT id, revision, body{unsure} FROM {self.name} WHERE {self._held(index)}{place} "
            f"ORDER BY {order}{way}, id{way} LIMIT {mark}"
        )

    def _equal(self, path: str) -> str:
        equal = super()._equal(path)
        return f"{self.key(path)} = {self.dialect.mark} AND {equal}" if path in self.texts else equal

    def _held_values(self, query: Query[Any]) -> tuple[Any, ...]:
        values: list[Any] = []
        for path, value in zip(query.index.equals if query.index else (), query.equals, strict=True):
            given = self._given[path](value)
            if path in self.texts:
                values.append(given[: self.keys.length])
            values.append(given)
        return tuple(values)
