"""The SQL of one collection's table in MySQL and MariaDB.

Ids and texts are kept as the bytes of their UTF-8, whose order is that of code points, without padding. Of an indexed
text a second column, which the server makes, holds the first 512 bytes: what an index may be is 3,072 bytes. A number
with a fraction is kept as the integer that is ordered alike, since MySQL knows no infinity.

Values are written into the statements, as numbers or in hexadecimal, so that several go to the server at once.
"""

# Names are quoted; values are written by `literal`.
# ruff: noqa: S608

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec, Index
from libs.common.store.sql.dialect import Dialect, Keys
from libs.common.store.sql.keyed import KeyedTable
from libs.common.store.sql.plan import Changes, There
from libs.common.store.sql.table import short

_KEY_LENGTH = 512  # bytes: three of them and an id of 1,024 are less than 3,072
_LARGE = 2**20  # bytes of one statement, about: a larger one is split


def _ordered(value: float) -> int:
    (bits,) = struct.unpack(">q", struct.pack(">d", value + 0.0))
    return int(bits) if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


DIALECT = Dialect(
    quote="`",
    mark="%s",
    types={bool: "BOOLEAN", int: "BIGINT", float: "BIGINT", str: "LONGBLOB"},
    above=b"\xff",
    longest_name=64,
    pairs=False,
)
_KEYS = Keys(
    given={bool: bool, int: int, float: _ordered, str: str.encode},
    length=_KEY_LENGTH,
    of=lambda column: DIALECT.quoted(f"{column} key"),
)


class Table(KeyedTable):
    """The statements of one collection."""

    asks_first = True

    def __init__(self, spec: CollectionSpec[Message], database: str, *, is_mariadb: bool) -> None:
        """Prepares the statements. MySQL and MariaDB call the new values of a row differently.

        Raises:
            ValueError: as `KeyedTable`.
        """
        super().__init__(spec, DIALECT, _KEYS, DIALECT.quoted(database))
        names = [self.quoted(name) for name in self.names]
        new, of = ("", "VALUES({})") if is_mariadb else (" AS new", "new.{}")
        changes = ", ".join(f"{name} = {of.format(name)}" for name in names[1:])
        self._put = (
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ",
            f"{new} ON DUPLICATE KEY UPDATE {changes}",
        )
        digest = names[-1] if self.postings else "''"
        self._lock = (
            f"SELECT id, revision, {digest} FROM {self.name} FORCE INDEX (PRIMARY) WHERE id IN (",
            ") ORDER BY id FOR UPDATE",
        )
        columns = [f"{self.quoted(name)} {kind} NOT NULL" for name, kind in self.columns().items()]
        columns += [f"{self.quoted(name)} {definition}" for name, definition in self.key_columns().items()]
        more = "".join(f", {part}" for part in [*columns, *self.index_definitions().values()])
        self.create = (
            f"CREATE TABLE {self.name} (id VARBINARY(1024) NOT NULL PRIMARY KEY, "
            f"revision BIGINT NOT NULL, body LONGBLOB NOT NULL{more}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC"
        )
        self.create_words = (
            f"CREATE TABLE {self.words} (whose VARBINARY(16) NOT NULL, word VARBINARY(256) NOT NULL, "
            "id VARBINARY(1024) NOT NULL, weight DOUBLE NOT NULL, PRIMARY KEY (whose, word, id), KEY (id)) "
            "ENGINE = InnoDB ROW_FORMAT = DYNAMIC"
        )

    def columns(self) -> dict[str, str]:
        """By plain name: the type of the column of every indexed field, and of the words' digest."""
        words = {self.postings.column: "VARBINARY(16)"} if self.postings else {}
        return {**super().columns(), **words}

    def key_columns(self) -> dict[str, str]:
        """By plain name: the definition of the columns that the server makes."""
        made = f"VARBINARY({_KEY_LENGTH}) GENERATED ALWAYS AS (LEFT({{}}, {_KEY_LENGTH})) STORED"
        return {f"message.{path} key": made.format(self.column(path)) for path in self.texts}

    def index_definitions(self) -> dict[str, str]:
        """By plain name: each index as a table's definition has it."""
        definitions = {}
        for index in self.spec.indexes:
            name = short(",".join(index.fields), DIALECT.longest_name)
            definitions[name] = f"INDEX {self.quoted(name)} ({', '.join([*map(self.key, index.fields), 'id'])})"
        return definitions

    def _exact(self, index: Index, descending: bool, after: bool) -> str:
        """The server sorts by the first 1,024 bytes, if it is not told how long the texts are."""
        longest = f"SELECT COALESCE(MAX(LENGTH({self.column(index.order)})), 0) + 1024 FROM {self.name}"
        settings = "SET SESSION max_sort_length = {}, sort_buffer_size = {}"
        return ";".join(
            [
                f"SET @longest = ({longest} WHERE {self._held(index)})",
                settings.format("@longest", "GREATEST(@@GLOBAL.sort_buffer_size, 32 * @longest)"),
                super()._exact(index, descending, after),
                settings.format("DEFAULT", "DEFAULT"),
            ]
        )

    def locked(self, ids: Sequence[str]) -> str:
        """The statement that locks documents, in the order of their ids, and tells their revisions and digests."""
        return f"{self._lock[0]}{', '.join(map(literal, ids))}{self._lock[1]}"

    def written(self, changes: Changes) -> Iterator[str]:
        """The statements that write the changes."""
        if changes.deleted:
            yield f"DELETE FROM {self.name} WHERE id IN ({', '.join(map(literal, changes.deleted))})"
        yield from _inserted(self._put[0], changes.rows, self._put[1])
        if changes.reworded:
            yield f"DELETE FROM {self.words} WHERE id IN ({', '.join(map(literal, changes.reworded))})"
        words = ((id, *posting) for id, posting in changes.postings)
        yield from _inserted(f"INSERT INTO {self.words} (id, whose, word, weight) VALUES ", words, "")


def there(rows: Iterable[tuple[bytes, int, bytes]]) -> There:
    """What a statement of `Table.locked` found."""
    return {id.decode(): (revision, bytes(digest or b"")) for id, revision, digest in rows}


def filled(sql: str, values: Sequence[Any]) -> str:
    """The statement with its values.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair.
    """
    return sql % tuple(map(literal, values))


def literal(value: Any) -> str:
    """A value as SQL: numbers as they are, all else as its bytes in hexadecimal."""
    if isinstance(value, str):
        return f"x'{value.encode().hex()}'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return repr(float(value)) if isinstance(value, float) else str(int(value))


def _inserted(head: str, rows: Iterable[Sequence[Any]], tail: str) -> Iterator[str]:
    parts: list[str] = []
    size = 0
    for row in rows:
        parts.append(f"({', '.join(map(literal, row))})")
        size += len(parts[-1])
        if size > _LARGE:
            yield f"{head}{', '.join(parts)}{tail}"
            parts, size = [], 0
    if parts:
        yield f"{head}{', '.join(parts)}{tail}"
