"""What the stand-in keeps: each document's versions, and the indexes over the newest.

A commit is checked and applied without a pause, so commits follow each other. Transactions are optimistic: they read
what was there when they began, and their commit is ABORTED if something that they read has changed since.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from tests.standins.firestore.errors import Refused, aborted, invalid
from tests.standins.firestore.indexes import Declared, Entries, Part
from tests.standins.firestore.messages import WriteResult
from tests.standins.firestore.queries import found, plan
from tests.standins.firestore.rules import check_document, check_name
from tests.standins.firestore.writes import written

_KEPT = 60_000_000  # microseconds that an overwritten version can be read


@dataclass
class Transaction:
    """What a transaction read, and as of when."""

    at: int
    read_only: bool
    names: set[str] = field(default_factory=set)
    collections: set[str] = field(default_factory=set)


class Database:
    """The documents of one database."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.declared = Declared()
        self._versions: dict[str, list[tuple[int, Any]]] = {}
        self._collections: dict[str, dict[str, Any]] = defaultdict(dict)
        self._changed: dict[str, int] = defaultdict(int)
        self._indexes: dict[str, dict[tuple[Part, ...], Entries]] = defaultdict(dict)
        self._transactions: dict[bytes, Transaction] = {}
        self._ids = itertools.count(1)
        self._last = 0

    def now(self) -> int:
        """Microseconds of the epoch, each later than the one before."""
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return self._last

    def begin(self, options: Any) -> bytes:
        """A new transaction."""
        id = f"transaction {next(self._ids)}".encode()
        self._transactions[id] = Transaction(self.now(), options.HasField("read_only"))
        return id

    def end(self, id: bytes) -> Transaction:
        """Forgets the transaction."""
        self.transaction(id)
        return self._transactions.pop(id)

    def transaction(self, id: bytes) -> Transaction:
        """One that has begun and not ended."""
        if id not in self._transactions:
            raise invalid("The referenced transaction has expired or is no longer valid.")
        return self._transactions[id]

    def read(self, name: str, transaction: bytes, at: int | None) -> Any:
        """The document, or None."""
        check_name(name, self.name)
        if transaction:
            reading = self.transaction(transaction)
            reading.names.add(name)
            at = reading.at
        versions = self._versions.get(name, [])
        return next((document for time, document in reversed(versions) if at is None or time <= at), None)

    def query(self, parent: str, query: Any, transaction: bytes) -> list[Any]:
        """The documents that the query finds, in its order."""
        planned = plan(query)
        path = f"{parent}/{planned.collection}"
        if transaction:
            reading = self.transaction(transaction)
            reading.collections.add(path)
            if self._changed[path] > reading.at:
                raise aborted()
        self.declared.check(planned.collection, planned.equals, planned.orders)
        documents = self._collections[path]
        index = self._indexes[path].get(planned.parts)
        if index is None:
            index = self._indexes[path][planned.parts] = Entries(planned.parts, documents.values())
        names = found(query, planned, index)[query.offset :]
        return [documents[name] for name in (names[: query.limit.value] if query.HasField("limit") else names)]

    def commit(self, writes: Any, transaction: bytes) -> tuple[list[Any], int]:
        """All of the writes or none: their results, and when that was."""
        if transaction:
            self._check_read(self.end(transaction), bool(writes))
        now = self.now()
        staged: dict[str, Any] = {}
        results = []
        for write in writes:
            name = write.delete or write.update.name or write.transform.document
            check_name(name, self.name)
            before = staged[name] if name in staged else self.read(name, b"", None)
            _check_precondition(write, name, before)
            after, transformed = written(write, name, before, now)
            if after is not None:
                check_document(after)
                self.declared.count(name.split("/")[-2], after)
            staged[name] = after
            updated = after.update_time if after is not None else None
            results.append(WriteResult(update_time=updated, transform_results=transformed))
        for name, document in staged.items():
            self._put(name, document, now)
        return results, now

    def _check_read(self, reading: Transaction, writes: bool) -> None:
        if reading.read_only and writes:
            raise invalid("Cannot modify entities in a read-only transaction.")
        moved = any(self._versions.get(name, [(0, None)])[-1][0] > reading.at for name in reading.names)
        if moved or any(self._changed[path] > reading.at for path in reading.collections):
            raise aborted()

    def _put(self, name: str, document: Any, now: int) -> None:
        versions = self._versions.setdefault(name, [])
        before = versions[-1][1] if versions else None
        if before is document:
            return
        while len(versions) > 1 and versions[1][0] < now - _KEPT:
            versions.pop(0)
        versions.append((now, document))
        path = name.rpartition("/")[0]
        self._changed[path] = now
        for index in self._indexes[path].values():
            index.replace(before, document)
        if document is None:
            self._collections[path].pop(name, None)
        else:
            self._collections[path][name] = document

    def documents(self, path: str) -> list[Any]:
        """All documents of a collection, by name."""
        return [document for _, document in sorted(self._collections[path].items())]


def timestamp(micros: int) -> Timestamp:
    """Microseconds of the epoch as a Timestamp."""
    moment = Timestamp()
    moment.FromMicroseconds(micros)
    return moment


def _check_precondition(write: Any, name: str, before: Any) -> None:
    match write.current_document.WhichOneof("condition_type"):
        case "exists" if write.current_document.exists and before is None:
            raise Refused(StatusCode.NOT_FOUND, f"No document to update: {name}")
        case "exists" if not write.current_document.exists and before is not None:
            raise Refused(StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
        case "update_time" if before is None:
            raise Refused(StatusCode.NOT_FOUND, f"No document to update: {name}")
        case "update_time" if before.update_time != write.current_document.update_time:
            text = f"the stored version of {name} does not match the required base version"
            raise Refused(StatusCode.FAILED_PRECONDITION, text)
