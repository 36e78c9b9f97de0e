"""What every provider refuses before it touches its engine, and the arithmetic of id ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from libs.common.errors import Invalid
from libs.common.store.port import MAX_ID_LENGTH, CollectionSpec, Put, Write

_LAST = "\U0010ffff"
_BEFORE_SURROGATES = "\ud7ff"
_AFTER_SURROGATES = "\ue000"


def check_writes(writes: Sequence[Write], specs: Mapping[str, CollectionSpec[Message]]) -> None:
    """Refuses a commit that breaks the port's rules.

    Raises:
        KeyError: a collection was not declared.
        TypeError: a message is not of its collection's type.
        Invalid: an id or a revision is out of the rules, or the same document stands in `writes` twice.
    """
    for write in writes:
        spec = specs[write.collection]
        _check_id(write.collection, write.id)
        if isinstance(write, Put) and not isinstance(write.message, spec.message):
            raise TypeError(f"{write.collection} holds {spec.message.__name__}, not {type(write.message).__name__}")
        if write.if_revision is not None and write.if_revision < 0:
            raise Invalid(f"{write.collection}: revisions count from 1, and 0 stands for none")
        if isinstance(write, Put) and write.revision is not None and write.revision < 1:
            raise Invalid(f"{write.collection}: revisions count from 1")
    if len(writes) > 1 and len({(write.collection, write.id) for write in writes}) < len(writes):
        raise Invalid("a commit may write each document once only")


def _check_id(collection: str, id: str) -> None:
    if not 1 <= len(id) <= MAX_ID_LENGTH:
        raise Invalid(f"{collection}: an id has 1 to {MAX_ID_LENGTH} characters, not {len(id)}")
    if id.isascii():
        if "\0" in id:
            raise Invalid(f"{collection}: an id holds no NUL")
        return
    if "\0" in id or any("\ud800" <= character <= "\udfff" for character in id):
        raise Invalid(f"{collection}: an id holds no NUL and no half of a surrogate pair")


def prefix_end(prefix: str) -> str | None:
    """The least string by code point above every string that begins with `prefix`; None where there is none."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    last = kept[-1]
    return kept[:-1] + (_AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1))
