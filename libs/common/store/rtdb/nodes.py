"""How a collection's documents stand in the tree: their nodes, the strings that order them, and their words.

documents/COLLECTION/KEY   id, rev, revision, k: {id, by_INDEX, …}, doc: the document's JSON
                           of one that was deleted rev, revision: 0, at: when
counts/COLLECTION/KEY      how many documents have the same equality values in an index
words/COLLECTION/WITHIN/WORD/KEY   what the word weighs in the document, and the document's id
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from libs.common.errors import Invalid
from libs.common.store.codec import decode, encode
from libs.common.store.fields import IndexedField, indexed_field
from libs.common.store.port import CollectionSpec, Cursor, Index, IndexValue, M, Query, Stored, UnindexedQuery
from libs.common.store.rtdb.keys import ABOVE, END, is_storable, node_key, ordered, ordered_text, word_key
from libs.common.store.rtdb.rules import BY_ID, order_of
from libs.common.store.rtdb.tree import from_tree, to_tree
from libs.common.store.words import TextFields

Tree = dict[str, Any]
NOW = {".sv": "timestamp"}


@dataclass(frozen=True, slots=True)
class Version:
    """What a write has to know of a document's node as it stands: its guard, its revision, and what points at it.

    `revision` is 0 where there is no document; `rev` is 0 where there is no node either.
    """

    rev: int = 0
    revision: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """A document as it is to be stored: its JSON, what orders it, and its words, by their paths."""

    doc: Any
    keys: Mapping[str, str]
    words: Mapping[str, str]


class Collection(Generic[M]):
    """One collection's place in the tree."""

    def __init__(self, spec: CollectionSpec[M]) -> None:
        """Finds the fields of the indexes.

        Raises:
            ValueError: an index names a field that the message does not have.
        """
        descriptor = cast(Descriptor, spec.message.DESCRIPTOR)
        self.spec = spec
        self._indexes: dict[Index, list[IndexedField]] = {
            index: [indexed_field(descriptor, path) for path in index.fields] for index in spec.indexes
        }
        self.has_text = spec.text is not None
        self._text = TextFields(spec, spec.text) if spec.text else None
        self._weights = tuple(spec.text.fields.values()) if spec.text else ()
        self.documents = f"documents/{spec.name}"
        self.counts = f"counts/{spec.name}"
        # What is declared: a document has a place in each order, and words by what `text` says.
        self.orders = sorted([BY_ID, *map(order_of, spec.indexes)])
        self.text = f"{spec.text.within}: {dict(spec.text.fields)}" if spec.text else ""

    def path(self, id: str) -> str:
        """Where the document is."""
        return f"{self.documents}/{node_key(id)}"

    def absence(self, id: str) -> str:
        """What a commit sets to nothing to assert that there is no document."""
        return f"absent/{self.spec.name}/{node_key(id)}"

    def counted(self, query: Query[M]) -> str | None:
        """Where it is counted how many documents a query holds, cursor and prefix apart; None if there can be none.

        Raises:
            UnindexedQuery: the store was opened without the query's index.
        """
        try:
            held = self._held(query)
        except UnicodeEncodeError:  # half of a surrogate pair: nothing stored has it
            return None
        order = BY_ID if query.index is None else order_of(query.index)
        return None if held is None else self._count(order, held)

    def content(self, id: str, message: Message) -> Content:
        """A document as it is stored.

        Raises:
            Invalid: it holds a number that has no JSON, or a NaN in an index.
        """
        try:
            doc = to_tree(encode(message))
        except ValueError as error:
            raise Invalid(f"{self.spec.name}: {error}") from None
        keys = {BY_ID: f"{ordered_text(id)}{END}"}
        for index, fields in self._indexes.items():
            values = "".join(f"{ordered(one.read(message), one.kind)}{END}" for one in fields)
            keys[order_of(index)] = values + keys[BY_ID]
        return Content(doc, keys, self._words(id, message))

    def version(self, node: Tree | None) -> Version:
        """What a node says of itself."""
        if node is None:
            return Version()
        keys = {f"k/{name}": value for name, value in node.get("k", {}).items()}
        words: Mapping[str, str] = {}
        if self.has_text and node["revision"]:
            words = self._words(node["id"], decode(self.spec.message, from_tree(node["doc"])))
        return Version(node["rev"], node["revision"], keys, words)

    def is_placed(self, node: Tree) -> bool:
        """Whether a document has its place in every order."""
        return all(order.removeprefix("k/") in node["k"] for order in self.orders)

    def stored(self, node: Tree | None) -> Stored[M] | None:
        """The document of a node; None where it was deleted."""
        if node is None or not node["revision"]:
            return None
        message = decode(self.spec.message, from_tree(node["doc"]))
        return Stored(node["id"], node["revision"], message.SerializeToString(deterministic=True), self.spec.message)

    def written(self, id: str, before: Version, content: Content | None, revision: int | None) -> Tree:
        """The values at their paths that put a document in the place of a version, or with None a tombstone.

        Counts are not among them: see `moved`. `revision` is what the document is to have; None: one more.
        """
        values: Tree = dict.fromkeys(before.words)
        if content is None:
            values[self.path(id)] = {"rev": before.rev + 1, "revision": 0, "at": NOW}
            return values
        for path, value in content.words.items():
            if before.words.get(path) == value:
                del values[path]
            else:
                values[path] = value
        values[self.path(id)] = {
            "id": id,
            "rev": before.rev + 1,
            "revision": revision or before.revision + 1,
            "k": {order.removeprefix("k/"): value for order, value in content.keys.items()},
            "doc": content.doc,
        }
        return values

    def moved(self, before: Version, content: Content | None) -> Mapping[str, int]:
        """By how much the write moves which counts."""
        moves: defaultdict[str, int] = defaultdict(int)
        for keys, by in ((before.keys, -1), (content.keys if content else {}, 1)):
            for order, value in keys.items():
                # Without the order's value and the id; of a string by the id alone, all of it.
                held = value.split(END)[:-3]
                moves[self._count(order, "".join(f"{one}{END}" for one in held))] += by
        return moves

    def range(self, query: Query[M]) -> tuple[str, str, str] | None:
        """By what a query's documents are ordered, and from where to where; None if there can be none.

        Raises:
            UnindexedQuery: the store was opened without the query's index.
        """
        try:
            held = self._held(query)
            if held is None:
                return None
            if query.index is None:
                return BY_ID, *_between(held, query, "")
            place = ""
            if query.after is not None and query.after.value is not None:
                place = f"{ordered(query.after.value, self._indexes[query.index][-1].kind)}{END}"
            return order_of(query.index), *_between(held, query, place)
        except UnicodeEncodeError:  # half of a surrogate pair: nothing stored begins with it
            return None

    def words_of(self, within: IndexValue) -> str:
        """Where the words of the documents are that have this value."""
        return f"words/{self.spec.name}/{node_key(str(within))}"

    def _held(self, query: Query[M]) -> str | None:
        """The beginning that the strings of a query's documents have in common; None if no document can have it."""
        if query.index is None:
            return ordered_text(query.prefix)
        if query.index not in self._indexes:
            raise UnindexedQuery(f"{self.spec.name}: the store was opened without the index {query.index.name}")
        if not all(map(is_storable, query.equals)):
            return None
        fields = self._indexes[query.index]
        return "".join(f"{ordered(value, one.kind)}{END}" for value, one in zip(query.equals, fields, strict=False))

    def _count(self, order: str, held: str) -> str:
        name = order.removeprefix("k/")
        return f"{self.counts}/{node_key(f'{name} {held}')}"

    def _words(self, id: str, message: Message) -> Mapping[str, str]:
        if self._text is None:
            return {}
        weights: defaultdict[str, float] = defaultdict(float)
        for weight, words in zip(self._weights, self._text.words(message), strict=True):
            for word in words:
                weights[word_key(word)] += weight
        path = self.words_of(self._text.within(message)) if weights else ""
        return {f"{path}/{word}/{node_key(id)}": f"{weight:g} {id}" for word, weight in weights.items()}


def _between(held: str, query: Query[Any], place: str) -> tuple[str, str]:
    """The first and the last string that a query's documents may have, both included."""
    low, high = held, f"{held}{ABOVE}"
    after: Cursor | None = query.after
    if after is None:
        return low, high
    beginning = held if query.index is not None else ""
    if not after.id and query.index is None:
        return low, high
    cursor = f"{beginning}{place}{ordered_text(after.id)}"
    if query.descending:
        # A string ends behind its id: the cursor's own comes after this one.
        return low, min(high, cursor if after.id else f"{cursor}{ABOVE}")
    # "!" is above what ends a string, and below or at what may follow in a longer id.
    return max(low, f"{cursor}!" if after.id else cursor), high
