"""The SQL of one collection's table in SQLite: what writes, beside what every SQL engine reads by."""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec, Delete, Put, Write
from libs.common.store.sql import table
from libs.common.store.sql.dialect import Dialect
from libs.common.store.sql.table import MAX_INTEGER
from libs.common.store.sqlite.text import TextTable

_DIALECT = Dialect(
    quote='"',
    mark="?",
    types={
        bool: "INTEGER NOT NULL DEFAULT 0",
        int: "INTEGER NOT NULL DEFAULT 0",
        float: "REAL NOT NULL DEFAULT 0",
        str: "TEXT NOT NULL DEFAULT ''",
    },
    above=b"",  # SQLite orders every text below every blob
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One write, ready to run. It conflicts when it touches another number of rows than `rows`; None: any number."""

    sql: str
    values: tuple[Any, ...]
    rows: int | None
    write: Write


class Table(table.Table):
    """The statements of one collection, each built once."""

    def __init__(self, spec: CollectionSpec[Message]) -> None:
        """Prepares the statements.

        Raises:
            ValueError: an index names a field that its message does not have.
        """
        super().__init__(spec, _DIALECT)
        self.text = TextTable(spec, spec.text, self.name) if spec.text else None
        columns = [self.column(field.path) for field in self.fields]
        names = ", ".join(["id", "revision", "body", *columns])
        marks = ", ".join(["?1", "{revision}", *(f"?{number}" for number in range(2, len(columns) + 3))])
        changes = ", ".join(f"{column} = ?{number}" for number, column in enumerate(["body", *columns], 2))
        last = len(columns) + 3
        insert = f"INSERT INTO {self.name} ({names}) VALUES ({marks})"
        self._insert = insert.format(revision=1)
        self._upsert = f"{self._insert} ON CONFLICT (id) DO UPDATE SET revision = revision + 1, {changes}"
        update = f"UPDATE {self.name} SET revision = {{revision}}, {changes} WHERE id = ?1 AND revision = "
        self._update = f"{update.format(revision='revision + 1')}?{last}"
        # Of copies: their own revision comes first of what is last.
        self._insert_copy = insert.format(revision=f"?{last}")
        self._upsert_copy = f"{self._insert_copy} ON CONFLICT (id) DO UPDATE SET revision = ?{last}, {changes}"
        self._update_copy = f"{update.format(revision=f'?{last}')}?{last + 1}"
        self._delete = f"DELETE FROM {self.name} WHERE id = ?"
        self._touch = f"UPDATE {self.name} SET revision = revision WHERE id = ?"
        refilled = ", ".join(f"{column} = ?" for column in columns)
        self.create = (
            f"CREATE TABLE IF NOT EXISTS {self.name} "
            "(id TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, body BLOB NOT NULL)"
        )
        self.refill = f"UPDATE {self.name} SET {refilled} WHERE id = ?"

    def written(self, write: Write) -> list[Statement]:
        """The statements of a write, its own first; the message is encoded here and not kept."""
        statement = self._written(write)
        if self.text is None or (isinstance(write, Delete) and write.if_revision == 0):
            return [statement]
        sql, values = self.text.written(write.id, write.message if isinstance(write, Put) else None)
        return [statement, Statement(sql, values, None, write)]

    def _written(self, write: Write) -> Statement:
        expected = None if write.if_revision is None else min(write.if_revision, MAX_INTEGER)
        if isinstance(write, Put):
            values = (write.id, write.message.SerializeToString(), *self.field_values(write.message))
            if write.revision is not None:
                return self._copied(write, (*values, write.revision), expected)
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

    def _copied(self, write: Put, values: tuple[Any, ...], expected: int | None) -> Statement:
        if expected is None:
            return Statement(self._upsert_copy, values, None, write)
        if expected == 0:
            return Statement(self._insert_copy, values, 1, write)
        return Statement(self._update_copy, (*values, expected), 1, write)
