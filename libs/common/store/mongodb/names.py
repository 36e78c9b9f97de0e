"""Names of fields that people choose, keys of maps and of plain JSON, as MongoDB keeps them.

A dot may stand within a name, as in `gpt-4.1`. A `$` at the beginning would be an operator or a reference to some
drivers, and neither NUL nor an empty name is kept everywhere: those are escaped, and the `%` that escapes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_ESCAPED = re.compile(r"^\$|[\0%]")
_EMPTY = "%"  # no other name has it without two digits behind it
_FREE = {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"}


@cache
def has_chosen_names(descriptor: Descriptor) -> bool:
    """Whether a message may hold keys that people choose, at any depth."""
    return _has_chosen_names(descriptor, set())


def escaped(value: Any) -> Any:
    """JSON with every name as it is kept."""
    match value:
        case dict():
            return {_escape(name): escaped(kept) for name, kept in value.items()}
        case list():
            return [escaped(one) for one in value]
    return value


def unescaped(value: Any) -> Any:
    """What `escaped` was given."""
    match value:
        case dict():
            return {_unescape(name): unescaped(kept) for name, kept in value.items()}
        case list():
            return [unescaped(one) for one in value]
    return value


def _has_chosen_names(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in _FREE or descriptor.GetOptions().map_entry:
        return descriptor.full_name in _FREE or _is_named_by_text(descriptor)
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        field.message_type is not None and _has_chosen_names(field.message_type, seen) for field in descriptor.fields
    )


def _is_named_by_text(entry: Descriptor) -> bool:
    return entry.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING


def _escape(name: str) -> str:
    return _ESCAPED.sub(lambda found: f"%{ord(found[0]):02x}", name) if name else _EMPTY


def _unescape(name: str) -> str:
    if "%" not in name:
        return name
    return "" if name == _EMPTY else re.sub("%(..)", lambda found: chr(int(found[1], 16)), name)
