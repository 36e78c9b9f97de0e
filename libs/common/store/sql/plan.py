"""A commit as engines with row locks do it: lock the documents, compare their revisions, write.

Documents are locked in one order by every commit, collections by name and ids by code point, so that no two commits
wait for each other. What may be created, or is asserted to be absent, has no row to lock: a fence stands for it. Who
creates has it alone, those who assert absence share it. Fences come before rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.common.errors import Conflict
from libs.common.store.port import Put, Write
from libs.common.store.sql.keyed import KeyedTable
from libs.common.store.sql.postings import Posting


@dataclass(frozen=True, slots=True)
class Planned:
    """One write, encoded. `values` are those of the fields; `digest` is of the words that `postings` hold."""

    write: Write
    body: bytes = b""
    values: tuple[Any, ...] = ()
    digest: bytes = b""
    postings: list[Posting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fence:
    """What stands for a document that is not there: `alone` for who may create it, or shared."""

    collection: str
    id: str
    alone: bool


# By id: the revision of a document that is there, and the digest of its words.
There = Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written in one collection: rows as `KeyedTable.names` has them; words by whose id they are."""

    table: KeyedTable
    rows: list[tuple[Any, ...]]
    deleted: list[str]
    reworded: list[str]
    postings: list[tuple[str, Posting]]


class Plan:
    """The writes of one commit; what they say is encoded at once, and no message is kept."""

    def __init__(self, writes: Sequence[Write], tables: Mapping[str, KeyedTable]) -> None:
        """Encodes the writes.

        Raises:
            Invalid: a value has no place in an index.
        """
        self._writes = [_planned(write, tables[write.collection]) for write in writes]
        in_order = sorted(self._writes, key=lambda planned: (planned.write.collection, planned.write.id))
        self.collections: dict[str, list[Planned]] = {}
        for planned in in_order:
            self.collections.setdefault(planned.write.collection, []).append(planned)
        self._tables = tables

    def tables(self) -> Iterable[tuple[KeyedTable, list[str]]]:
        """Each table with the ids of the documents that are written there, in the order of locks."""
        for name, planned in self.collections.items():
            yield self._tables[name], [one.write.id for one in planned]

    def fences(self) -> Iterable[Fence]:
        """The fences of the commit, in the order of locks."""
        for planned in (one for collection in self.collections.values() for one in collection):
            write = planned.write
            if not write.if_revision and (isinstance(write, Put) or write.if_revision == 0):
                yield Fence(write.collection, write.id, isinstance(write, Put))

    def check(self, there: Mapping[str, There]) -> None:
        """Compares the revisions of the documents that are there, by collection, with those that are expected.

        Raises:
            Conflict: names the first write whose document is at another.
        """
        for planned in self._writes:
            write = planned.write
            revision, _ = there[write.collection].get(write.id, (0, b""))
            if write.if_revision is not None and write.if_revision != revision:
                raise Conflict(write.collection, write.id)

    def changes(self, there: Mapping[str, There]) -> Iterable[Changes]:
        """What is to be written, collection by collection, where this is there."""
        for name, planned in self.collections.items():
            changes = Changes(self._tables[name], [], [], [], [])
            for one in planned:
                _add(changes, one, *there[name].get(one.write.id, (0, b"")))
            yield changes


def _planned(write: Write, table: KeyedTable) -> Planned:
    if not isinstance(write, Put):
        return Planned(write)
    message = write.message
    digest, postings = table.postings.of(message) if table.postings else (b"", [])
    return Planned(write, message.SerializeToString(), table.field_values(message), digest, postings)


def _add(changes: Changes, planned: Planned, revision: int, digest: bytes) -> None:
    write = planned.write
    if digest and digest != planned.digest:
        changes.reworded.append(write.id)
    if not isinstance(write, Put):
        if revision:
            changes.deleted.append(write.id)
        return
    words = [planned.digest] if changes.table.postings else []
    changes.rows.append((write.id, write.revision or revision + 1, planned.body, *planned.values, *words))
    if planned.digest != digest:
        changes.postings.extend((write.id, posting) for posting in planned.postings)


def refilled(table: KeyedTable, rows: Iterable[tuple[str, int, bytes]]) -> Changes:
    """Writes these documents of one collection as they are, with the columns and postings that are declared now.

    Args:
        table: the collection's.
        rows: id, revision and body.
    """
    changes = Changes(table, [], [], [], [])
    for id, revision, body in rows:
        put = Put(table.spec.name, id, table.spec.message.FromString(body), revision=revision)
        _add(changes, _planned(put, table), revision, b"")
    return changes
