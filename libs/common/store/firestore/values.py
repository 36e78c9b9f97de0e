"""Plain values as Firestore's, and back.

Firestore takes no array in an array, no whole number beyond 64 bits, no field name that is empty, longer than 1,500
bytes or like `__x__`, and nothing that is nested deeper than 20: a body that has such is kept as bytes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from google.cloud.firestore_v1.types import document as types

from libs.common.store.codec import Json
from libs.common.store.port import IndexValue

Value = types.Value.pb()
MapValue = types.MapValue.pb()
ArrayValue = types.ArrayValue.pb()

_RESERVED = re.compile("__.*__", re.DOTALL)
_LONGEST_NAME = 1500
# Of Firestore's 20, of which a body's place in its document takes two.
_DEEPEST = 18
_INTEGERS = range(-(2**63), 2**63)
# Bytes of a text that an index orders by. Firestore cuts at 1,500, and what follows here is a digest.
_ORDERED = 1400


class Unfit(Exception):
    """Firestore takes no such value."""


def to_value(value: Any, depth: int = 1) -> Any:
    """A JSON value as Firestore's.

    Raises:
        Unfit: it cannot be.
    """
    match value:
        case str():
            return Value(string_value=value)
        case bool():
            return Value(boolean_value=value)
        case int():
            if value not in _INTEGERS:
                raise Unfit
            return Value(integer_value=value)
        case float():
            return Value(double_value=value)
        case bytes():
            return Value(bytes_value=value)
        case dict():
            return Value(map_value=_map(value, depth))
        case list():
            return Value(array_value=_array(value, depth))
    return Value(null_value=0)


def from_value(value: Any) -> Any:
    """Firestore's value as JSON; bytes are bytes."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return from_fields(value.map_value.fields)
    if kind == "array_value":
        return [from_value(one) for one in value.array_value.values]
    return None if kind == "null_value" else getattr(value, kind)


def from_fields(fields: Any) -> Json:
    """A document's or a map's fields as JSON."""
    return {name: from_value(value) for name, value in fields.items()}


def ordered(value: IndexValue) -> IndexValue:
    """What an index orders by: of a long text its first 1,400 bytes, and a digest that tells it from others."""
    if isinstance(value, str) and len(value) * 4 > _ORDERED:
        whole = value.encode()
        if len(whole) > _ORDERED:
            return whole[:_ORDERED].decode(errors="ignore") + hashlib.sha256(whole).hexdigest()
    # Of the two zeros one.
    return value + 0.0 if isinstance(value, float) else value


def _map(entries: Json, depth: int) -> Any:
    if depth > _DEEPEST:
        raise Unfit
    for name in entries:
        if not name or len(name.encode()) > _LONGEST_NAME or _RESERVED.fullmatch(name):
            raise Unfit
    return MapValue(fields={name: to_value(value, depth + 1) for name, value in entries.items()})


def _array(values: list[Any], depth: int) -> Any:
    if depth > _DEEPEST or any(isinstance(value, list) for value in values):
        raise Unfit
    return ArrayValue(values=[to_value(value, depth + 1) for value in values])
