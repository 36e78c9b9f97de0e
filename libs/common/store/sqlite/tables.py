"""The SQL of one collection's table in SQLite: statements as text and their parameters; nothing is executed here.

A table holds `id`, `revision`, `body` (the message's proto bytes) and a typed column per indexed field, named
`message.<path>` so that no field meets the first three. Text compares as UTF-8 bytes, which is code point order.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from libs.common.store.fields import indexed_fields
from libs.common.store.port import CollectionSpec, Delete, Index, IndexValue, Put, Query, UnindexedQuery, Write
from libs.common.store.rules import prefix_end
from libs.common.store.sqlite.text import TextTable

_TYPES: dict[type[IndexValue], tuple[str, str]] = {
    bool: ("INTEGER", "0"),
    int: ("INTEGER", "0"),
    float: ("REAL", "0"),
    str: ("TEXT", "''"),
}


# SQLite orders every text below every blob.
_ABOVE = b""
_MAX_INTEGER = 2**63 - 1
_RANGE = "id >= ? AND id < ?"


@dataclass(frozen=True, slots=True)
class Statement:
    """One write, ready to run. It conflicts when it touches another number of rows than `rows`; None: any number."""

    sql: str
    values: tuple[Any, ...]
    rows: int | None
    write: Write


class Table:
    """The statements of one collection, each built once."""

    def __init__(self, spec: CollectionSpec[Message]) -> None:
        """Prepares the statements.

        Raises:
            ValueError: an index names a field that its message does not have.
        """
        self.spec = spec
        self.name = quoted(spec.name)
        self.text = TextTable(spec, spec.text, self.name) if spec.text else None
        self.fields = indexed_fields(spec)
        self._readers = tuple(field.read for field in self.fields)
        columns = [self.column(field.path) for field in self.fields]
        names = ", ".join(["id", "revision", "body", *columns])
        marks = ", ".join(["?1", "1", *(f"?{number}" for number in range(2, len(columns) + 3))])
        changes = ", ".join(
            [
                "revision = revision + 1",
                *(f"{column} = ?{number}" for number, column in enumerate(["body", *columns], 2)),
            ]
        )
        expected = f"?{len(columns) + 3}"
        self._select = f"SELECT id, revision, body FROM {self.name}"
        self._insert = f"INSERT INTO {self.name} ({names}) VALUES ({marks})"
        self._upsert = f"{self._insert} ON CONFLICT (id) DO UPDATE SET {changes}"
        self._update = f"UPDATE {self.name} SET {changes} WHERE id = ?1 AND revision = {expected}"
        self._delete = f"DELETE FROM {self.name} WHERE id = ?"
        self._touch = f"UPDATE {self.name} SET revision = revision WHERE id = ?"
        refilled = ", ".join(f"{column} = ?" for column in columns)
        self.create = (
            f"CREATE TABLE IF NOT EXISTS {self.name} "
            "(id TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, body BLOB NOT NULL)"
        )
        self.bodies = f"SELECT id, body FROM {self.name} WHERE id > ? ORDER BY id LIMIT ?"
        self.refill = f"UPDATE {self.name} SET {refilled} WHERE id = ?"
        self.get = f"SELECT revision, body FROM {self.name} WHERE id = ?"
        self._count = f"SELECT COUNT(*) FROM {self.name}"
        range_ = f"{self._select} WHERE {_RANGE} ORDER BY id"
        self._ranges = (f"{range_} LIMIT ?", f"{range_} DESC LIMIT ?")
        self._queries: dict[tuple[Index, bool, bool], str] = {}

    def column(self, path: str) -> str:
        """The quoted column of an indexed field."""
        return quoted(f"message.{path}")

    def columns(self) -> dict[str, str]:
        """By plain name: the definition of every column of an indexed field."""
        kinds = {f"message.{field.path}": _TYPES[field.kind] for field in self.fields}
        return {name: f"{quoted(name)} {kind} NOT NULL DEFAULT {zero}" for name, (kind, zero) in kinds.items()}

    def indexes(self) -> dict[str, str]:
        """By plain name: the statement that creates each index."""
        created = {}
        for index in self.spec.indexes:
            name = f"{self.spec.name}({','.join(index.fields)})"
            columns = ", ".join([*(self.column(path) for path in index.fields), "id"])
            created[name] = f"CREATE INDEX {quoted(name)} ON {self.name} ({columns})"
        return created

    def field_values(self, message: Message) -> tuple[IndexValue, ...]:
        """What the columns hold for a message, in the order of `fields`."""
        return tuple(read(message) for read in self._readers)

    def written(self, write: Write) -> list[Statement]:
        """The statements of a write, its own first; the message is encoded here and not kept."""
        statement = self._written(write)
        if self.text is None or (isinstance(write, Delete) and write.if_revision == 0):
            return [statement]
        sql, values = self.text.written(write.id, write.message if isinstance(write, Put) else None)
        return [statement, Statement(sql, values, None, write)]

    def _written(self, write: Write) -> Statement:
        expected = None if write.if_revision is None else min(write.if_revision, _MAX_INTEGER)
        if isinstance(write, Put):
            values = (write.id, write.message.SerializeToString(), *self.field_values(write.message))
            if expected is None:
                return Statement(self._upsert, values, None, write)
            if expected == 0:
                return Statement(self._insert, values, 1, write)
            return Statement(self._update, (*values, expected), 1, write)
        if expected is None:
            return Statement(self._delete, (write.id,), None, write)
        if expected == 0:
            return Statement(self._touch, (write.id,), 0, write)
        return Statement(f"{self._delete} AND revision = ?", (write.id, expected), 1, write)

    def chosen(self, count: int) -> str:
        """Selects `count` documents by their ids."""
        return f"{self._select} WHERE id IN ({', '.join('?' * count)})"

    def selected(self, query: Query[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters of a query, its cursor and limit included.

        Raises:
            UnindexedQuery: the store was opened without the query's index.
        """
        after = query.after
        if query.index is None:
            low, high = _id_range(query)
            return self._ranges[query.descending], (low, high, query.limit)
        shape = (query.index, query.descending, after is not None)
        sql = self._queries.get(shape) or self._queries.setdefault(shape, self._query(*shape))
        if after is None:
            return sql, (*query.equals, query.limit)
        return sql, (*query.equals, after.value, after.id or (_ABOVE if query.descending else ""), query.limit)

    def counted(self, query: Query[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters that count what a query's equalities or prefix hold."""
        if query.index is None:
            end = prefix_end(query.prefix)
            return f"{self._count} WHERE {_RANGE}", (query.prefix, _ABOVE if end is None else end)
        return f"{self._count} WHERE {self._held(query.index)}", query.equals

    def _query(self, index: Index, descending: bool, after: bool) -> str:
        order = self.column(index.order)
        place = f" AND ({order}, id) {'<' if descending else '>'} (?, ?)" if after else ""
        way = " DESC" if descending else ""
        return f"{self._select} WHERE {self._held(index)}{place} ORDER BY {order}{way}, id{way} LIMIT ?"

    def _held(self, index: Index) -> str:
        if index not in self.spec.indexes:
            raise UnindexedQuery(f"{self.spec.name}: the store was opened without the index {index.name}")
        return " AND ".join(f"{self.column(path)} = ?" for path in index.equals) or "TRUE"


def _id_range(query: Query[Any]) -> tuple[str, str | bytes]:
    """The ids that begin with the query's prefix and stand after its cursor: from the first to below the second."""
    low, high = query.prefix, prefix_end(query.prefix)
    after = query.after.id if query.after is not None else ""
    if after and query.descending:
        high = after if high is None else min(after, high)
    elif after:
        low = max(low, after + "\0")
    return low, _ABOVE if high is None else high


def quoted(name: str) -> str:
    """A name as SQL takes it literally."""
    return '"' + name.replace('"', '""') + '"'
