"""Names in Firestore: of collections, of documents, of fields.

A document's name keeps the order and the prefixes of ids. Firestore takes most ids as they are; what it does not take
is written otherwise: `/` as `.2`, hence `.` as `.1`, and a `_` at the beginning as `_0`, since `__x__` is reserved.
"""

from __future__ import annotations

from libs.common.store.port import MAX_ID_LENGTH

PARTS = "llmchat.parts"
"""The collection, below each document that has them, of the parts of a body that is too large for one document."""

ID = "id"
STORED = "stored"
INDEX = "index"
WORDS = "words"


def collection_name(service: str, collection: str) -> str:
    """The collection's id in Firestore."""
    return f"{service}.{collection}"


def document_name(id: str) -> str:
    """The document's id in Firestore, at most 1,026 bytes long for ids within the rules."""
    name = id.replace(".", ".1").replace("/", ".2")
    return f"_0{name[1:]}" if name.startswith("_") else name


def field_of(path: str) -> str:
    """The field below `index` that holds what is at a dotted proto path."""
    return path.replace(".", "__")


def index_path(path: str) -> str:
    """Where indexes find what is at a dotted proto path."""
    return f"{INDEX}.{field_of(path)}"


WORDS_PATH = f"{INDEX}.{WORDS}"


def is_id(id: str) -> bool:
    """Whether a document may have the id; what has none can still be asked for."""
    if not 1 <= len(id) <= MAX_ID_LENGTH or "\0" in id:
        return False
    return id.isascii() or not any("\ud800" <= character <= "\udfff" for character in id)
