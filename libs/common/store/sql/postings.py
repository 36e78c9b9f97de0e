"""A text index as rows: for each word of a document whose it is and what its occurrences weigh together.

For engines whose own text index is not up to date with a commit, or leaves out words. The table `COLLECTION.words` has
the postings. A document's row has a digest of its words, so that one whose words do not change costs the index nothing.
"""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec, IndexValue, Search, TextIndex
from libs.common.store.rules import prefix_end
from libs.common.store.sql.dialect import Dialect
from libs.common.store.words import TextFields

# Whose, word, weight.
Posting = tuple[bytes, str, float]


class Postings:
    """The postings of one collection's documents."""

    def __init__(self, spec: CollectionSpec[Message], text: TextIndex) -> None:
        """Finds the fields.

        Raises:
            ValueError: one is not there, or is no text.
        """
        self._fields = TextFields(spec, text)
        self._weights = tuple(text.fields.values())
        declared = repr((text.within, sorted(text.fields.items())))
        # What is declared otherwise is another column, which is filled anew.
        self.column = f"words {_digest(declared).hex()}"

    def of(self, message: Message) -> tuple[bytes, list[Posting]]:
        """The digest of a document's words, empty where there are none, and its postings."""
        weighs: Counter[str] = Counter()
        for weight, words in zip(self._weights, self._fields.words(message), strict=True):
            for word in words:
                weighs[word] += weight  # type: ignore[assignment]
        if not weighs:
            return b"", []
        owner = whose(self._fields.within(message))
        postings = [(owner, word, float(weight)) for word, weight in sorted(weighs.items())]
        return _digest(repr(postings)), postings


def found(search: Search[Any], documents: str, table: str, dialect: Dialect) -> tuple[str, list[Any]]:
    """The statement and parameters of a search: `documents` and `table`, of the postings, are quoted names."""
    mark, owner = dialect.mark, whose(search.within)
    *whole, last = search.words
    values: list[Any] = []
    terms: list[str] = []
    for word in whole:
        terms.append(f"SELECT {len(terms)} AS term, id, weight FROM {table} WHERE whose = {mark} AND word = {mark}")
        values += [owner, word]
    terms.append(
        f"SELECT {len(terms)} AS term, id, weight FROM {table} "
        f"WHERE whose = {mark} AND word >= {mark} AND word < {mark}"
    )
    values += [owner, last, prefix_end(last) or dialect.above, len(terms), search.limit, search.offset]
    sql = (
        f"SELECT d.id, d.revision, d.body FROM (SELECT id, SUM(weight) AS weight FROM ({' UNION ALL '.join(terms)}) t "
        f"GROUP BY id HAVING COUNT(DISTINCT term) = {mark} ORDER BY SUM(weight) DESC, id LIMIT {mark} OFFSET {mark}) f "
        f"JOIN {documents} d ON d.id = f.id ORDER BY f.weight DESC, f.id"
    )
    return sql, values


def whose(within: IndexValue) -> bytes:
    """What stands for the owner of a document in the postings: as long for each of them."""
    return _digest(str(within))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
