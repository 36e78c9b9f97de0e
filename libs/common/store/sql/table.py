"""The SQL of one collection's table: statements as text and their parameters; nothing is executed here.

A table holds `id`, `revision`, `body` (the message's proto bytes) and a typed column per indexed field, named
`message.<path>` so that no field meets the first three. Text compares as UTF-8 bytes, which is code point order.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from google.protobuf.message import Message

from libs.common.store.fields import indexed_fields
from libs.common.store.port import CollectionSpec, Index, Query, UnindexedQuery
from libs.common.store.rules import prefix_end
from libs.common.store.sql.dialect import Dialect

MAX_INTEGER = 2**63 - 1


class Table:
    """The statements of one collection that read, each built once; what is written differs by engine."""

    def __init__(self, spec: CollectionSpec[Message], dialect: Dialect, home: str = "") -> None:
        """Prepares the statements. `home` is what the table's name is qualified with, quoted.

        Raises:
            ValueError: an index names a field that its message does not have.
        """
        self.spec = spec
        self.dialect = dialect
        self.quoted = dialect.quoted
        self.name = f"{home}.{self.quoted(spec.name)}" if home else self.quoted(spec.name)
        self.fields = indexed_fields(spec)
        self._readers = tuple(field.read for field in self.fields)
        mark = dialect.mark
        self._select = f"SELECT id, revision, body FROM {self.name}"
        self._count = f"SELECT COUNT(*) FROM {self.name}"
        self._range = f"id >= {mark} AND id < {mark}"
        range_ = f"{self._select} WHERE {self._range} ORDER BY id"
        self._ranges = (f"{range_} LIMIT {mark}", f"{range_} DESC LIMIT {mark}")
        self._queries: dict[tuple[Index, bool, bool], str] = {}
        self.get = f"SELECT revision, body FROM {self.name} WHERE id = {mark}"
        self.bodies = f"SELECT id, body FROM {self.name} WHERE id > {mark} ORDER BY id LIMIT {mark}"

    def column(self, path: str) -> str:
        """The quoted column of an indexed field."""
        return self.quoted(f"message.{path}")

    def columns(self) -> dict[str, str]:
        """By plain name: the type of the column of every indexed field."""
        return {f"message.{field.path}": self.dialect.types[field.kind] for field in self.fields}

    def indexes(self) -> dict[str, str]:
        """By plain name: the statement that creates each index."""
        created = {}
        for index in self.spec.indexes:
            name = short(f"{self.spec.name}({','.join(index.fields)})", self.dialect.longest_name)
            columns = ", ".join([*map(self.key, index.fields), "id"])
            created[name] = f"CREATE INDEX {self.quoted(name)} ON {self.name} ({columns})"
        return created

    def key(self, path: str) -> str:
        """What an index holds of a field."""
        return self.column(path)

    def field_values(self, message: Message) -> tuple[Any, ...]:
        """What the columns hold for a message, in the order of `fields`."""
        return tuple([read(message) for read in self._readers])

    def chosen(self, count: int) -> str:
        """Selects `count` documents by their ids."""
        return f"{self._select} WHERE id IN ({', '.join([self.dialect.mark] * count)})"

    def selected(self, query: Query[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters of a query, its cursor and limit included.

        Raises:
            UnindexedQuery: the store was opened without the query's index.
        """
        after = query.after
        if query.index is None:
            low, high = self.id_range(query)
            return self._ranges[query.descending], (low, high, query.limit)
        shape = (query.index, query.descending, after is not None)
        sql = self._queries.get(shape) or self._queries.setdefault(shape, self._query(*shape))
        if after is None:
            return sql, (*query.equals, query.limit)
        return sql, (*query.equals, after.value, self.id_of(query), query.limit)

    def counted(self, query: Query[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters that count what a query's equalities or prefix hold."""
        if query.index is None:
            end = prefix_end(query.prefix)
            return f"{self._count} WHERE {self._range}", (query.prefix, self.dialect.above if end is None else end)
        return f"{self._count} WHERE {self._held(query.index)}", query.equals

    def id_of(self, query: Query[Any]) -> Any:
        """The id of a query's cursor; an empty one stands before every row of its value, in the query's order."""
        after = query.after
        return (after.id if after else "") or (self.dialect.above if query.descending else "")

    def id_range(self, query: Query[Any]) -> tuple[Any, Any]:
        """The ids that begin with the prefix and stand after the cursor: from the first to below the second."""
        low, high = query.prefix, prefix_end(query.prefix)
        after = query.after.id if query.after is not None else ""
        if after and query.descending:
            high = after if high is None else min(after, high)
        elif after:
            low = max(low, after + "\x01")  # the next id there may be, since none holds NUL
        return low, self.dialect.above if high is None else high

    def _query(self, index: Index, descending: bool, after: bool) -> str:
        order, mark = self.key(index.order), self.dialect.mark
        place = f" AND ({order}, id) {'<' if descending else '>'} ({mark}, {mark})" if after else ""
        way = " DESC" if descending else ""
        return f"{self._select} WHERE {self._held(index)}{place} ORDER BY {order}{way}, id{way} LIMIT {mark}"

    def _held(self, index: Index) -> str:
        if index not in self.spec.indexes:
            raise UnindexedQuery(f"{self.spec.name}: the store was opened without the index {index.name}")
        return " AND ".join(map(self._equal, index.equals)) or "TRUE"

    def _equal(self, path: str) -> str:
        return f"{self.column(path)} = {self.dialect.mark}"


def short(name: str, longest: int) -> str:
    """A name of at most `longest` bytes: of a longer one the beginning, and what tells it from others."""
    if len(name.encode()) <= longest:
        return name
    digest = blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{name.encode()[: longest - len(digest) - 1].decode(errors='ignore')}~{digest}"
