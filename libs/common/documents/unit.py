"""A unit of work: reads and staged writes that become one atomic commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.message import Message
from ulid import ULID

from libs.common.documents.places import place_of
from libs.common.documents.system import SCHEMA_VERSION
from libs.common.errors import NotFound, Stale
from libs.common.store.port import CollectionSpec, Cursor, Delete, Put, Query, Store, Stored, Write

M = TypeVar("M", bound=Message)


def new_id(spec: CollectionSpec[M]) -> str:
    """A fresh id that sorts by time: `thread_01k…`."""
    return f"{spec.id_prefix}_{str(ULID()).lower()}"


def require_etag(document: Message, etag: str) -> None:
    """Refuses a change that is based on another revision than the current one; an empty `etag` asks for nothing.

    Raises:
        Stale: the document has moved since the caller read it.
    """
    if etag and etag != document.etag:  # type: ignore[attr-defined]
        raise Stale(f"the etag {etag!r} is not current: read the document again")


class Unit:
    """Reads documents and stages writes to them; every write is conditional on what was read.

    A document is read once: a second read gives the same object, staged changes included. Its `id` field is its id, and
    its `etag`, where it has one, is the revision that the commit leads to.
    """

    def __init__(self, store: Store, now: int) -> None:
        self._store = store
        self._revisions: dict[tuple[str, str], int] = {}
        self._read: dict[tuple[str, str], Message | None] = {}
        self._found: dict[tuple[str, str], Stored[Any]] = {}
        self._writes: dict[tuple[str, str], Write] = {}
        self._before_commit: list[Callable[[], Awaitable[None]]] = []
        self.after_commit: list[Callable[[], None]] = []
        self.hints: list[Callable[[], None]] = []
        self.now = now

    async def find(self, spec: CollectionSpec[M], id: str) -> M | None:
        """The document, or None."""
        key = (spec.name, id)
        if key not in self._read:
            stored = await self._store.get(spec, id)
            self._revisions[key] = stored.revision if stored else 0
            self._read[key] = stored.message if stored else None
        return self._read[key]  # type: ignore[return-value]

    async def get(self, spec: CollectionSpec[M], id: str) -> M:
        """The document.

        Raises:
            NotFound: there is none.
        """
        document = await self.find(spec, id)
        if document is None:
            raise NotFound(spec.kind, id)
        return document

    async def query(self, query: Query[M]) -> list[M]:
        """What the store holds for `query`, without the staged writes; each may be put or deleted afterwards."""
        documents = []
        for stored in await self._store.query(query):
            key = (query.spec.name, stored.id)
            self._revisions.setdefault(key, stored.revision)
            self._read.setdefault(key, stored.message)
            self._found[key] = stored
            documents.append(stored.message)
        return documents

    def place_of(self, query: Query[M], document: M) -> Cursor:
        """The cursor with which the query goes on after a document that it has given to this unit."""
        return place_of(query, self._found[(query.spec.name, _id(document))])

    async def count(self, query: Query[M]) -> int:
        """How many the store holds for `query` at this moment, without the staged writes."""
        return await self._store.count(query)

    def create(self, spec: CollectionSpec[M], document: M) -> M:
        """Stages a document that must not exist yet."""
        key = (spec.name, _id(document))
        self._revisions.setdefault(key, 0)
        return self.put(spec, document)

    def put(self, spec: CollectionSpec[M], document: M) -> M:
        """Stages the document at the revision that this unit read."""
        key = (spec.name, _id(document))
        revision = self._revisions[key]
        fields = document.DESCRIPTOR.fields_by_name
        if "etag" in fields:
            document.etag = str(revision + 1)  # type: ignore[attr-defined]
        if not document.schema_version:  # type: ignore[attr-defined]
            document.schema_version = SCHEMA_VERSION  # type: ignore[attr-defined]
        self._read[key] = document
        self._writes[key] = Put(spec.name, key[1], document, if_revision=revision)
        return document

    def delete(self, spec: CollectionSpec[M], id: str) -> None:
        """Stages a removal, conditional where this unit has read the document."""
        key = (spec.name, id)
        revision = self._revisions.get(key)
        self._read[key] = None
        if revision == 0:
            self._writes.pop(key, None)
        else:
            self._writes[key] = Delete(spec.name, id, if_revision=revision)

    def require_absent(self, spec: CollectionSpec[M], id: str) -> None:
        """Has the commit meet a Conflict unless there is no such document at that moment; nothing is written to it."""
        self._writes[(spec.name, id)] = Delete(spec.name, id, if_revision=0)

    def first(self, action: Callable[[], Awaitable[None]]) -> None:
        """Runs `action` when the unit commits, before anything is stored: what it stages is stored too."""
        self._before_commit.append(action)

    def then(self, action: Callable[[], None]) -> None:
        """Runs `action` once the commit has succeeded."""
        self.after_commit.append(action)

    def hint(self, action: Callable[[], None]) -> None:
        """As `then`, at less cost and for what may be lost: `action` does not run if the caller is cancelled."""
        self.hints.append(action)

    async def commit(self) -> None:
        """Commits what is staged; does nothing when nothing is.

        Raises:
            Conflict: a document moved after this unit read it.
        """
        for action in self._before_commit:
            await action()
        if self._writes:
            await self._store.commit(list(self._writes.values()))


def _id(document: Message) -> str:
    return document.id  # type: ignore[attr-defined, no-any-return]
