"""How a collection's documents look in Firestore.

  id: "thread_01j…"
  index: { user_id: "user_01j…", settings__is_archived: false, words: ["lisbon", "l", "li", "lis"] }
  stored: { revision: 3, commits: ["the last first"], doc: { "title": "Lisbon", "updatedAt": 1700000000123 } }

`stored` has no indexes, so that nothing in it is too long or too much for one. In place of `doc`, `body` holds the
message's bytes where Firestore's fields would not bring back the same message, and `parts` says in how many documents
below it the bytes are where they are too many for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, cast

from google.cloud.firestore_v1.types import document as types
from google.protobuf.message import Message

from libs.common.store.codec import Json, decode, encode
from libs.common.store.fields import indexed_fields
from libs.common.store.firestore.names import ID, INDEX, PARTS, STORED, WORDS, collection_name, document_name, field_of
from libs.common.store.firestore.values import MapValue, Unfit, Value, from_fields, ordered, to_value
from libs.common.store.port import CollectionSpec, M, Stored
from libs.common.store.words import TextFields

Document = types.Document.pb()

READ = (ID, STORED)
"""The fields that are read of a document."""

# A document has room for 1 MiB as Firestore counts it, which is at most twice what protobuf counts.
_MOST_IN_DOCUMENT = 350_000
_PART = 900_000
# Of a text index: a document has room for 40,000 entries, and for all else.
_MOST_WORDS = 5_000
_MOST_WORD_BYTES = 250_000
_BEGINNING = 3


@dataclass(frozen=True, slots=True)
class Content:
    """A message as it is kept: its fields, and what is in documents below it."""

    stored: Json
    index: Any
    parts: tuple[bytes, ...] = ()


class Layout(Generic[M]):
    """One collection of one service."""

    def __init__(self, documents: str, service: str, spec: CollectionSpec[M]) -> None:
        """`documents` is the name of all documents of the database.

        Raises:
            ValueError: an index names a field that the message does not have, or that no index can order.
        """
        self.spec = spec
        self.collection = collection_name(service, spec.name)
        self._prefix = f"{documents}/{self.collection}/"
        self._fields = [(field_of(field.path), field.read) for field in indexed_fields(cast(Any, spec))]
        self._text = TextFields(spec, spec.text) if spec.text else None
        self._within = field_of(spec.text.within) if spec.text else ""

    @property
    def indexed(self) -> list[str]:
        """What indexes find documents by, in words that change when a document has to be written anew."""
        text = self.spec.text
        words = [f"{text.within} {dict(text.fields)}"] if text else []
        return sorted({name for name, _ in self._fields} | set(words))

    def name(self, id: str) -> str:
        """The document's name in Firestore."""
        return self._prefix + document_name(id)

    def content(self, message: Message) -> Content:
        """What is kept of a message."""
        body = message.SerializeToString()
        index = self.index(message)
        if len(body) <= _MOST_IN_DOCUMENT:
            doc = self._doc(message)
            if doc is not None and doc.ByteSize() <= _MOST_IN_DOCUMENT:
                return Content({"doc": doc}, index)
            return Content({"body": Value(bytes_value=body)}, index)
        parts = tuple(body[start : start + _PART] for start in range(0, len(body), _PART))
        return Content({"parts": Value(integer_value=len(parts))}, index, parts)

    def index(self, message: Message) -> Any:
        """What indexes find a message by."""
        index = {name: ordered(read(message)) for name, read in self._fields}
        if self._text is not None:
            index[self._within] = ordered(self._text.within(message))
            index[WORDS] = list(_tokens(self._text.words(message)))  # type: ignore[assignment]
        return to_value(index)

    def stored(self, document: Any, parts: tuple[bytes, ...]) -> Stored[M]:
        """A document that was read, and what is below it."""
        fields = document.fields[STORED].map_value.fields
        if "doc" in fields:
            message = decode(self.spec.message, from_fields(fields["doc"].map_value.fields))
            body = message.SerializeToString()
        else:
            body = b"".join(parts) or fields["body"].bytes_value
        return Stored(document.fields[ID].string_value, fields["revision"].integer_value, body, self.spec.message)

    def weight(self, message: Message, words: tuple[str, ...]) -> float:
        """How well a message matches words of which the last may be a beginning; 0 where it does not."""
        if self._text is None or self.spec.text is None:
            return 0.0
        *whole, last = words
        weights = tuple(self.spec.text.fields.values())
        held = self._text.words(message)
        counts = [
            sum(weight * sum(map(matches, words)) for weight, words in zip(weights, held, strict=True))
            for matches in (*(word.__eq__ for word in whole), lambda word: word.startswith(last))
        ]
        return sum(counts) if all(counts) else 0.0

    def _doc(self, message: Message) -> Any:
        """The message as fields; None where they would not bring back the same."""
        try:
            json = encode(message)
            same = decode(self.spec.message, json) == message
            return to_value(json) if same else None
        except (ValueError, Unfit):
            return None


def document(name: str, id: str, revision: int, commits: list[str], content: Content) -> Any:
    """The document that is written."""
    stored = {**content.stored, "revision": Value(integer_value=revision), "commits": to_value(commits)}
    fields = {ID: Value(string_value=id), STORED: Value(map_value=MapValue(fields=stored)), INDEX: content.index}
    return Document(name=name, fields=fields)


def part_names(name: str, commit: str, count: int) -> list[str]:
    """The names of the documents below a document that a commit put."""
    return [f"{name}/{PARTS}/{commit}.{number}" for number in range(count)]


def below(document: Any) -> list[str]:
    """The names of the documents that hold a document's body."""
    fields = document.fields[STORED].map_value.fields
    if "parts" not in fields:
        return []
    commit = fields["commits"].array_value.values[0].string_value
    return part_names(document.name, commit, fields["parts"].integer_value)


def token_for(words: tuple[str, ...]) -> str:
    """Of the words of a search, what fewest documents should have among their tokens."""
    *whole, last = words
    return max((*whole, last[:_BEGINNING]), key=len)


def _tokens(texts: list[list[str]]) -> Iterator[str]:
    """Each word once, and its beginnings, as many as a document has room for."""
    seen: set[str] = set()
    size = 0
    for word in (word for words in texts for word in words):
        for token in (word, *(word[:length] for length in range(1, _BEGINNING + 1))):
            if token in seen:
                continue
            size += len(token.encode())
            if size > _MOST_WORD_BYTES or len(seen) == _MOST_WORDS:
                return
            seen.add(token)
            yield token
