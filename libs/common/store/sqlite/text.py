"""A collection's text index in SQLite: FTS5 over a table of the documents' words.

The words are made by `words`, and written in hexadecimal, so that SQLite's own idea of a letter, of case and of accents
does not matter; the beginning of a word is the beginning of its hexadecimal form.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec, Search, TextIndex
from libs.common.store.words import TextFields


class TextTable:
    """The statements of one collection's text index, each built once.

    The table `COLLECTION.text` holds a row per document that has words; triggers keep the FTS5 table `COLLECTION.words`
    up to it. A document whose words do not change costs the index nothing.
    """

    def __init__(self, spec: CollectionSpec[Message], text: TextIndex, documents: str) -> None:
        """`documents` is the quoted name of the collection's table.

        Raises:
            ValueError: the index names a field that is not there, or is no text.
        """
        self._fields = TextFields(spec, text)
        self.name, self.words = _quoted(f"{spec.name}.text"), _quoted(f"{spec.name}.words")
        # Of the within first, then of the fields: a declaration that changes is another set of names.
        self.columns = (f"within {text.within}", *text.fields)
        columns = [_quoted(column) for column in self.columns]
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
        differs = " OR ".join(f"{self.name}.{column} IS NOT excluded.{column}" for column in columns)
        self._put = (
            f"INSERT INTO {self.name} (id, {names}) VALUES (?, {marks}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes} WHERE {differs}"
        )
        self._delete = f"DELETE FROM {self.name} WHERE id = ?"
        fields = " ".join(columns[1:])
        self._pattern = f"{columns[0]} : {{within}} AND {{{{{fields}}}}} : ({{words}})"
        weights = ", ".join(str(float(weight)) for weight in (0, *text.fields.values()))
        self._search = (
            f"SELECT d.id, d.revision, d.body FROM {self.words} w JOIN {self.name} t ON t.key = w.rowid "
            f"JOIN {documents} d ON d.id = t.id WHERE {self.words} MATCH ? "
            f"ORDER BY bm25({self.words}, {weights}), d.id LIMIT ? OFFSET ?"
        )
        olds, news = (", ".join(f"{row}.{column}" for column in columns) for row in ("old", "new"))
        insert = f"INSERT INTO {self.words} (rowid, {names}) VALUES (new.key, {news});"
        remove = f"INSERT INTO {self.words} ({self.words}, rowid, {names}) VALUES ('delete', old.key, {olds});"
        put, gone, new = (_quoted(f"{spec.name}.text {event}") for event in ("put", "gone", "new"))
        self.create = (
            f"CREATE TABLE {self.name} (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, {names})",
            f"CREATE VIRTUAL TABLE {self.words} USING fts5 "
            f"({names}, content = {self.name}, content_rowid = key, tokenize = ascii)",
            f"CREATE TRIGGER {put} AFTER INSERT ON {self.name} BEGIN {insert} END",
            f"CREATE TRIGGER {gone} AFTER DELETE ON {self.name} BEGIN {remove} END",
            f"CREATE TRIGGER {new} AFTER UPDATE ON {self.name} BEGIN {remove} {insert} END",
        )
        # Zeroes the words of what is deleted, as the other tables do; SQLite knows it from 3.42 on.
        self.forget = f"INSERT INTO {self.words} ({self.words}, rank) VALUES ('secure-delete', 1)"

    def written(self, id: str, message: Message | None) -> tuple[str, tuple[Any, ...]]:
        """The statement that brings the index up to a document that is put, or with None deleted."""
        found = [] if message is None else self._fields.words(message)
        if message is None or not any(found):
            return self._delete, (id,)
        within = _token(str(self._fields.within(message)))
        return self._put, (id, within, *(" ".join(map(_token, field)) for field in found))

    def found(self, search: Search[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and parameters of a search."""
        terms = list(_terms(search))
        pattern = self._pattern.format(within=f'"{_token(str(search.within))}"', words=" AND ".join(terms))
        return self._search, (pattern, search.limit, search.offset)


def _terms(search: Search[Any]) -> Iterator[str]:
    *whole, last = search.words
    yield from (f'"{_token(word)}"' for word in whole)
    yield f'"{_token(last)}" *'


def _token(word: str) -> str:
    return word.encode("utf-8", "surrogatepass").hex()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
