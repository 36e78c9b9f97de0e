"""Keys of nodes, and the strings by which documents are ordered.

A key has at most 768 bytes and none of `. $ # [ ] /` and control characters. Ours are of letters, digits, `_`, `-` and
`!`, so that no place has to quote them, behind a `~`, so that none is taken for a number: of those the database would
make an array, and it sorts them before others.

The database orders by one value alone. So an index is one string per document that holds the values of its fields and
the id, each behind the other, in ASCII: its order is the port's, whether the database compares bytes or UTF-16. The
characters that a query string of firebase-admin's does not carry (`& + # %`) do not occur.
"""

from __future__ import annotations

import re
import struct
from hashlib import sha256

from libs.common.store.port import IndexValue

MAX_KEY_BYTES = 768
# Ends each value of an index: below every character that a value is made of.
END = " "
# Above everything that may stand in an index at one place.
ABOVE = "~~~"

_MAX_TEXT = 256  # characters that an index holds of a text
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_ESCAPED = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPE = re.compile(r"!([0-9a-f]{2})")


def node_key(name: str) -> str:
    """The key that stands for any text; for one that is too long, its hash.

    Raises:
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    key = f"~{escaped(name)}"
    return key if len(key) <= MAX_KEY_BYTES else f"~!h{sha256(name.encode()).hexdigest()}"


def word_key(word: str) -> str:
    """The key of a word: that of its beginning is the key's beginning."""
    return f"~{escaped(word)}"[:MAX_KEY_BYTES]


def escaped(text: str) -> str:
    """The text with each byte that is no letter, digit, `_` or `-` as `!` and two digits."""
    return _ESCAPED.sub(lambda match: b"!%02x" % match[0][0], text.encode()).decode()


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1").decode()


def _spelling(byte: int) -> str:
    """A byte as one character or as three: spellings sort as bytes do, and none begins another."""
    character = chr(byte)
    if character.isascii() and (character.isalnum() or character in "-._"):
        return character
    # The first character sorts the spelling among those that stand for themselves.
    marks = ((0x2C, "!"), (0x2F, "/"), (0x40, ":"), (0x5E, "^"), (0x60, "`"), (0xFF, "~"))
    return next(mark for last, mark in marks if byte <= last) + f"{byte:02x}"


_SPELLINGS = [_spelling(byte) for byte in range(256)]


def ordered_text(text: str) -> str:
    """The text in characters of ASCII that sort as its code points do.

    Raises:
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    return "".join(map(_SPELLINGS.__getitem__, text.encode()))


def ordered(value: IndexValue, kind: type[IndexValue]) -> str:
    """A value of an index's field: strings of one kind sort as their values do.

    Texts sort by their first 256 characters; those of longer ones that have these in common come in any order, though
    always in the same. Whole numbers beyond 64 bits count as the last one within.

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair.
    """
    if kind is str:
        text = str(value)
        beginning = ordered_text(text[:_MAX_TEXT])
        return beginning if len(text) <= _MAX_TEXT else f"{beginning}~~{sha256(text.encode()).hexdigest()}"
    if kind is bool:
        return "1" if value else "0"
    if kind is int:
        return f"{min(max(int(value), _MIN_INTEGER), _MAX_INTEGER) - _MIN_INTEGER:016x}"
    (bits,) = struct.unpack(">Q", struct.pack(">d", float(value) + 0.0))  # minus zero is zero
    return f"{bits ^ (2**64 - 1 if bits >> 63 else 2**63):016x}"


def is_storable(value: IndexValue) -> bool:
    """Whether a document may hold the value: no whole number beyond 64 bits is in any."""
    return not isinstance(value, int) or _MIN_INTEGER <= value <= _MAX_INTEGER
