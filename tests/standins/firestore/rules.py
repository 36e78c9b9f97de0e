"""What Firestore takes for a name and for a document.

https://firebase.google.com/docs/firestore/quotas
"""

from __future__ import annotations

import re
from typing import Any

from tests.standins.firestore.errors import invalid
from tests.standins.firestore.values import INDEXED_BYTES, size_of

_RESERVED = re.compile("__.*__", re.DOTALL)
_LARGEST = 1_048_576
_LARGEST_NAME = 6 * 1024
_LARGEST_VALUE = 1_048_487
_DEEPEST = 20


def check_name(name: str, database: str) -> None:
    """Refuses what is no document's name in the database."""
    prefix = f"{database}/documents/"
    parts = name.removeprefix(prefix).split("/")
    if not name.startswith(prefix) or len(parts) % 2:
        raise invalid(f'Document name "{name}" lacks "/" at index or is of another database.')
    if len(name.encode()) > _LARGEST_NAME:
        raise invalid("The key path is longer than 6 KiB.")
    for part in parts:
        if not part or part in (".", "..") or _RESERVED.fullmatch(part):
            raise invalid(f'Resource id "{part}" is invalid because it is reserved.')
        if len(part.encode()) > INDEXED_BYTES:
            raise invalid("The key path element name is longer than 1500 bytes.")


def check_document(document: Any) -> None:
    """Refuses a document that is too large or too deep, or has a field that may not be."""
    _check_fields(document.fields, 1)
    size = size_of(document)
    if size > _LARGEST:
        raise invalid(f"Document '{document.name}' cannot be written because its size ({size:,} bytes) exceeds the max")


def _check_fields(fields: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise invalid("Property contains an invalid nested entity: it is nested too deeply.")
    for name, value in fields.items():
        if not name or _RESERVED.fullmatch(name) or len(name.encode()) > INDEXED_BYTES:
            raise invalid(f'Field name "{name[:100]}" is empty, reserved or longer than 1500 bytes.')
        _check_value(value, depth)


def _check_value(value: Any, depth: int) -> None:
    match value.WhichOneof("value_type"):
        case "map_value":
            _check_fields(value.map_value.fields, depth + 1)
        case "array_value":
            if depth + 1 > _DEEPEST:
                raise invalid("Property contains an invalid nested entity: it is nested too deeply.")
            for one in value.array_value.values:
                if one.WhichOneof("value_type") == "array_value":
                    raise invalid("Property array contains an invalid nested entity: arrays cannot hold arrays.")
                _check_value(one, depth + 1)
        case "string_value" | "bytes_value" as kind:
            held = getattr(value, kind)
            if len(held.encode() if isinstance(held, str) else held) > _LARGEST_VALUE:
                raise invalid("The value of property is longer than 1048487 bytes.")
