"""The store port: the one contract that every provider and every decorator fulfils.

Everything durable rests on one primitive: `Store.commit`, an atomic commit of several documents, each with an
optional expected revision. A document is a proto message under an id; how it is encoded is the provider's affair.

Order of values: booleans false first, numbers by size, strings by Unicode code point. A field that is not set counts
as its type's zero value, so no index holds nulls. A `Timestamp` counts as its epoch milliseconds, an enum as its
number. Ids are 1 to 256 characters, any but NUL, compared by code point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)

IndexValue = str | int | float | bool
MAX_ID_LENGTH = 256
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Index:
    """Equality fields first, then one order field; the id breaks ties. Fields are dotted proto paths.

    `Index(("user_id", "settings.is_archived"), "updated_at")` answers "this user's archived threads by activity".
    """

    equals: tuple[str, ...]
    order: str

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that the index holds, in its order."""
        return (*self.equals, self.order)

    @property
    def name(self) -> str:
        """A stable name made of the fields, fit for SQL."""
        return "_".join(part.replace(".", "_") for part in self.fields)


@dataclass(frozen=True, slots=True)
class TextIndex:
    """The words of each document, to be searched within the documents that have the same value at `within`.

    `fields` are dotted proto paths, through repeated fields and through the values of maps, with what a word there
    weighs: `TextIndex("user_id", {"title": 2, "models.summary": 1})`. What a word is: `words.words`.
    """

    within: str
    fields: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CollectionSpec(Generic[M]):
    """What a service declares of one collection it owns.

    `id_prefix` begins every generated id (`thread` → `thread_01j…`). `journaled` collections get a journal entry per
    write. `kind` is the word that errors use for one document.
    """

    name: str
    message: type[M]
    id_prefix: str = ""
    indexes: tuple[Index, ...] = ()
    journaled: bool = True
    text: TextIndex | None = None

    @property
    def kind(self) -> str:
        """The word for one document: the message's own name, in lower case."""
        return self.message.DESCRIPTOR.name.lower()


class Stored(Generic[M_co]):
    """A document as it was read: its revision counts the writes to it since it was created, from 1.

    `body` is the message in proto bytes. It is parsed when `message` is first asked for, so that a page of documents
    that goes out as it is stored costs no parsing.
    """

    __slots__ = ("_message", "_type", "body", "id", "revision")

    def __init__(self, id: str, revision: int, body: bytes, type: type[M_co]) -> None:
        self.id = id
        self.revision = revision
        self.body = body
        self._type = type
        self._message: M_co | None = None

    @property
    def message(self) -> M_co:
        """The document itself, the same object each time."""
        if self._message is None:
            self._message = self._type.FromString(self.body)
        return self._message


@dataclass(frozen=True, slots=True)
class Put:
    """Store a document whole. `if_revision`: 0 must not exist yet, n must still be at n, None whatever is there.

    `revision` is what the document's revision becomes; None: one more than it was. It is for copies of documents that
    have lived elsewhere, so that what others know of them, etags and the journal, stays right.
    """

    collection: str
    id: str
    message: Message
    if_revision: int | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document. `if_revision`: 0 must be absent, n must still be at n, None whatever is there or not.

    With 0 it changes nothing and asserts absence: its commit is stored if the document does not exist at that very
    moment, and is a Conflict otherwise, whichever process put the document.
    """

    collection: str
    id: str
    if_revision: int | None = None


Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an ordered result: strictly after the row with this order value and id.

    `value` is None for a query in id order. An empty `id` stands before every row of that value, in the query's order.
    """

    value: IndexValue | None
    id: str


class UnindexedQuery(ValueError):
    """A query that no declared index answers: a mistake in the code that builds it, never a caller's."""


@dataclass(frozen=True, slots=True)
class Query(Generic[M]):
    """A read on a declared index, or on the ids. Built by `where` and `by_id`, which refuse what no index answers.

    `index` None means id order; `prefix` then keeps the ids that begin with it. `limit` is at most MAX_PAGE.
    """

    spec: CollectionSpec[M]
    index: Index | None
    equals: tuple[IndexValue, ...] = ()
    prefix: str = ""
    descending: bool = False
    after: Cursor | None = None
    limit: int = field(default=MAX_PAGE)

    @classmethod
    def where(
        cls,
        spec: CollectionSpec[M],
        *,
        order: str,
        descending: bool = False,
        after: Cursor | None = None,
        limit: int = MAX_PAGE,
        **equals: IndexValue,
    ) -> Query[M]:
        """A query on the index with exactly these equality fields and this order.

        A dotted path is written with two underscores: `settings__is_archived=False`.

        Raises:
            UnindexedQuery: no declared index has these fields, or `limit` is out of range.
        """
        wanted = {name.replace("__", "."): value for name, value in equals.items()}
        for index in spec.indexes:
            if index.order == order and set(index.equals) == set(wanted):
                values = tuple(wanted[name] for name in index.equals)
                return cls(spec, index, values, "", descending, after, _checked(limit))
        raise UnindexedQuery(f"{spec.name}: no index declared for {sorted(wanted)} ordered by {order}")

    @classmethod
    def by_id(
        cls,
        spec: CollectionSpec[M],
        prefix: str = "",
        *,
        descending: bool = False,
        after: str | None = None,
        limit: int = MAX_PAGE,
    ) -> Query[M]:
        """A query in id order over the ids that begin with `prefix`, strictly after the id `after`."""
        cursor = None if after is None else Cursor(None, after)
        return cls(spec, None, (), prefix, descending, cursor, _checked(limit))


@dataclass(frozen=True, slots=True)
class Search(Generic[M]):
    """The documents of one owner that hold all of `words`; of the last one the beginning suffices.

    Those that hold them more often, and where they weigh more, come first, by the engine's own measure; the id breaks
    ties. `offset` passes over the first ones.
    """

    spec: CollectionSpec[M]
    within: IndexValue
    words: tuple[str, ...]
    limit: int
    offset: int = 0

    @classmethod
    def of(
        cls, spec: CollectionSpec[M], within: IndexValue, words: Sequence[str], *, limit: int, offset: int = 0
    ) -> Search[M]:
        """A search of a collection that declares a text index.

        Raises:
            UnindexedQuery: it declares none, there are no words, or `limit` is out of range.
        """
        if spec.text is None or not words:
            raise UnindexedQuery(f"{spec.name}: no text index is declared, or no word is searched")
        return cls(spec, within, tuple(words), _checked(limit), offset)


def _checked(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise UnindexedQuery(f"limit {limit} is not within 1..{MAX_PAGE}")
    return limit


@runtime_checkable
class Store(Protocol):
    """Documents in collections. Opened with the specifications of all collections it will hold.

    Every method raises `errors.Unavailable` when the engine cannot be reached or is closed, and `KeyError` for a
    collection that was not declared. Messages that go in are not kept, messages that come out are the caller's own.
    """

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        ...

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        ...

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """At most `query.limit` documents in the query's order; reads its own process's finished commits."""
        ...

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold; `after` and `limit` do not count."""
        ...

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """At most `search.limit` documents, the best matches first; reads its own process's finished commits."""
        ...

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes or none, at one moment for every process. When it returns they survive the loss of power.

        A cancelled caller leaves either all or nothing behind, never a part.

        Raises:
            Conflict: a document was not at its `if_revision`; names the first such document.
            Invalid: an id is out of the rules, or the same document stands in `writes` twice.
        """
        ...

    async def ping(self) -> None:
        """Returns when the engine answers."""
        ...

    async def close(self) -> None:
        """Finishes what was handed in, then lets go of the engine; safe to repeat."""
        ...
