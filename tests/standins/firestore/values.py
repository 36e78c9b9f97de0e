"""Values in Firestore's order, paths into documents, and how large a document is.

https://firebase.google.com/docs/firestore/manage-data/data-types
https://firebase.google.com/docs/firestore/storage-size
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from tests.standins.firestore.errors import invalid
from tests.standins.firestore.messages import MapValue, Value

# Of what is in an index; what is longer is cut there.
INDEXED_BYTES = 1500
_NAME = "__name__"
_PART = re.compile(r"`((?:[^`\\]|\\.)+)`|([A-Za-z_][A-Za-z_0-9]*)")


def key_of(value: Any) -> tuple[Any, ...]:
    """What orders the value among others: its type first. Texts and bytes are cut as in an index."""
    kind = value.WhichOneof("value_type")
    match kind:
        case "null_value" | None:
            return (0,)
        case "boolean_value":
            return (1, value.boolean_value)
        case "integer_value":
            return (2, 1, value.integer_value)
        case "double_value":
            return (2, 0) if math.isnan(value.double_value) else (2, 1, value.double_value)
        case "timestamp_value":
            return (3, value.timestamp_value.seconds, value.timestamp_value.nanos)
        case "string_value":
            return (4, value.string_value.encode()[:INDEXED_BYTES])
        case "bytes_value":
            return (5, value.bytes_value[:INDEXED_BYTES])
        case "reference_value":
            return (6, *name_key(value.reference_value))
        case "geo_point_value":
            return (7, value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return (8, tuple(key_of(one) for one in value.array_value.values))
    entries = value.map_value.fields
    return (9, tuple((name.encode(), key_of(entries[name])) for name in sorted(entries, key=str.encode)))


def name_key(name: str) -> tuple[bytes, ...]:
    """What orders a document's name: its path's parts as UTF-8."""
    return tuple(part.encode() for part in name.split("/documents/", 1)[1].split("/"))


def name_value(name: str) -> Any:
    """A reference to a document."""
    return Value(reference_value=name)


def path_of(text: str) -> tuple[str, ...]:
    """The parts of a field path such as "a.b.`c d`"."""
    parts: list[str] = []
    at = 0
    while at <= len(text):
        match = _PART.match(text, at)
        end = match.end() if match else at
        if match is None or (end < len(text) and text[end] != "."):
            raise invalid(f'Invalid property path "{text}"')
        parts.append(match[2] or re.sub(r"\\(.)", r"\1", match[1]))
        at = end + 1
    return tuple(parts)


def at(document: Any, path: tuple[str, ...]) -> Any:
    """The value at the path, `__name__` too; None where there is none."""
    if path == (_NAME,):
        return name_value(document.name)
    fields = document.fields
    for part in path[:-1]:
        if part not in fields:
            return None
        fields = fields[part].map_value.fields
    return fields.get(path[-1])


def put_at(document: Any, path: tuple[str, ...], value: Any) -> None:
    """Sets the value at the path, or with None removes it; maps on the way are made."""
    fields = document.fields
    for part in path[:-1]:
        if fields[part].WhichOneof("value_type") != "map_value":
            if value is None:
                return
            fields[part].CopyFrom(Value(map_value=MapValue()))
        fields = fields[part].map_value.fields
    if value is None:
        fields.pop(path[-1], None)
    else:
        fields[path[-1]].CopyFrom(value)


def leaves(document: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every field that has an index of its own, unless it is exempt: those in maps, not the maps."""
    yield from _leaves((), document.fields)


def _leaves(path: tuple[str, ...], fields: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in fields.items():
        if value.WhichOneof("value_type") == "map_value":
            yield from _leaves((*path, name), value.map_value.fields)
        else:
            yield (*path, name), value


def size_of(document: Any) -> int:
    """Bytes, as the documentation counts them: name, fields, and 32 more."""
    return _name_size(document.name) + _fields_size(document.fields) + 32


def _name_size(name: str) -> int:
    return sum(len(part) + 1 for part in name_key(name)) + 16


def _fields_size(fields: Any) -> int:
    return sum(len(name.encode()) + 1 + _size(value) for name, value in fields.items())


def _size(value: Any) -> int:
    match value.WhichOneof("value_type"):
        case "null_value" | "boolean_value" | None:
            return 1
        case "string_value":
            return len(value.string_value.encode()) + 1
        case "bytes_value":
            return len(value.bytes_value)
        case "reference_value":
            return _name_size(value.reference_value)
        case "geo_point_value":
            return 16
        case "array_value":
            return sum(map(_size, value.array_value.values))
        case "map_value":
            return _fields_size(value.map_value.fields)
    return 8
