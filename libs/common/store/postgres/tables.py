"""The SQL of one collection's table in PostgreSQL.

Text is compared by code point (`COLLATE "C"`). It cannot hold NUL: in the columns of indexed fields NUL is written as
two characters, and so is what follows it, which keeps the order. A statement writes all rows of a collection, given as
arrays: so it is the same for any number of them, and prepared once.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec
from libs.common.store.sql.dialect import Dialect, Keys
from libs.common.store.sql.keyed import KeyedTable
from libs.common.store.sql.plan import Changes

Statement = tuple[str, tuple[Any, ...]]

_KEY_LENGTH = 128  # characters of up to 4 bytes: three of them and an id are less than the 2,704 bytes of an index row
_TEXT = 'text COLLATE "C"'


def _text(value: str) -> str:
    if "\0" in value or "\x01" in value:
        return value.replace("\x01", "\x01\x02").replace("\0", "\x01\x01")
    return value


DIALECT = Dialect(
    quote='"',
    mark="%s",
    types={
        bool: "boolean NOT NULL DEFAULT FALSE",
        int: "bigint NOT NULL DEFAULT 0",
        float: "double precision NOT NULL DEFAULT 0",
        str: f"{_TEXT} NOT NULL DEFAULT ''",
    },
    above="\U0010ffff" * 257,  # an id has 256 characters at most
    longest_name=63,
)
_KEYS = Keys(
    given={bool: bool, int: int, float: float, str: _text},
    length=_KEY_LENGTH,
    of=lambda column: f"left({DIALECT.quoted(column)}, {_KEY_LENGTH})",
)
_ARRAYS = {bool: "boolean[]", int: "bigint[]", float: "double precision[]", str: "text[]"}


class Table(KeyedTable):
    """The statements of one collection, each built once."""

    def __init__(self, spec: CollectionSpec[Message], schema: str) -> None:
        """Prepares the statements.

        Raises:
            ValueError: as `KeyedTable`.
        """
        super().__init__(spec, DIALECT, _KEYS, DIALECT.quoted(schema))
        names = [self.quoted(name) for name in self.names]
        digest = names[-1] if self.postings else "''::bytea"
        arrays = ["text[]", "bigint[]", "bytea[]", *(_ARRAYS[field.kind] for field in self.fields)]
        arrays += ["bytea[]"] if self.postings else []
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        # Each row tells the transaction's id, too.
        self.locked = (
            f"SELECT pg_current_xact_id()::text, id, revision, {digest} FROM {self.name} "
            "WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
        )
        self._upsert = (
            f"INSERT INTO {self.name} ({', '.join(names)}) "
            f"SELECT * FROM unnest({', '.join(f'%s::{array}' for array in arrays)}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes}"
        )
        self._delete = f"DELETE FROM {self.name} WHERE id = ANY(%s)"
        self._forget = f"DELETE FROM {self.words} WHERE id = ANY(%s)"
        self._post = (
            f"INSERT INTO {self.words} (id, whose, word, weight) "
            "SELECT * FROM unnest(%s::text[], %s::bytea[], %s::text[], %s::double precision[])"
        )
        self._among = f"{self._select} WHERE id = ANY(%s)"
        self.create = (
            f"CREATE TABLE IF NOT EXISTS {self.name} "
            f"(id {_TEXT} PRIMARY KEY, revision bigint NOT NULL, body bytea NOT NULL)"
        )
        self.create_words = (
            f"CREATE TABLE {self.words} (whose bytea NOT NULL, word {_TEXT} NOT NULL, id {_TEXT} NOT NULL, "
            "weight double precision NOT NULL, PRIMARY KEY (whose, word, id))",
            f"CREATE INDEX ON {self.words} (id)",
        )

    def columns(self) -> dict[str, str]:
        """By plain name: the type of the column of every indexed field, and of the words' digest."""
        words = {self.postings.column: "bytea NOT NULL DEFAULT ''"} if self.postings else {}
        return {**super().columns(), **words}

    def among(self, ids: Sequence[str]) -> Statement:
        """The statement and parameters that select documents by their ids."""
        return self._among, (list(ids),)

    def written(self, changes: Changes) -> Iterator[Statement]:
        """The statements that write the changes."""
        if changes.deleted:
            yield self._delete, (changes.deleted,)
        if changes.rows:
            yield self._upsert, tuple(list(column) for column in zip(*changes.rows, strict=True))
        if changes.reworded:
            yield self._forget, (changes.reworded,)
        if changes.postings:
            rows = [(id, *posting) for id, posting in changes.postings]
            yield self._post, tuple(list(column) for column in zip(*rows, strict=True))
