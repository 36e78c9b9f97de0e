"""Values of messages by dotted path, as indexes hold them: how a provider fills its columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from libs.common.clock import milliseconds
from libs.common.errors import Invalid
from libs.common.store.port import CollectionSpec, IndexValue

_KINDS: dict[int, type[IndexValue]] = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_ENUM: int,
    FieldDescriptor.CPPTYPE_FLOAT: float,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_STRING: str,
}


@dataclass(frozen=True, slots=True)
class IndexedField:
    """One dotted path of a message. `kind` is the type of every value that `read` gives; unset reads as its zero.

    `read` raises `errors.Invalid` for a NaN: it has no place in any order.
    """

    path: str
    kind: type[IndexValue]
    read: Callable[[Message], IndexValue]


@cache
def indexed_field(descriptor: Descriptor, path: str) -> IndexedField:
    """Finds `path` in a message and prepares reading it.

    Raises:
        ValueError: the path does not exist, or leads to what no index can order: a repeated field, a message other
            than Timestamp, bytes, or an unsigned 64-bit number.
    """
    *parents, last = path.split(".")
    holder = descriptor
    for name in parents:
        field = _single(holder, name, path)
        if field.message_type is None:
            raise ValueError(f"{descriptor.full_name}: {path}: {name} is no message")
        holder = field.message_type
    field = _single(holder, last, path)
    value = attrgetter(path)
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
        return IndexedField(path, int, lambda message: milliseconds(value(message)))
    kind = _KINDS.get(field.cpp_type)
    if kind is None or field.type == FieldDescriptor.TYPE_BYTES:
        raise ValueError(f"{descriptor.full_name}: {path}: no index can order this type")
    if kind is float:
        return IndexedField(path, kind, lambda message: _ordered(value(message), path))
    return IndexedField(path, kind, value)


def indexed_fields(spec: CollectionSpec[Message]) -> tuple[IndexedField, ...]:
    """Every field that the collection's indexes hold, each once, in the order of their declaration."""
    paths = dict.fromkeys(path for index in spec.indexes for path in index.fields)
    descriptor = cast(Descriptor, spec.message.DESCRIPTOR)
    return tuple(indexed_field(descriptor, path) for path in paths)


def _single(holder: Descriptor, name: str, path: str) -> FieldDescriptor:
    field = holder.fields_by_name.get(name)
    if field is None:
        raise ValueError(f"{holder.full_name}: {path}: there is no field {name}")
    if field.is_repeated:
        raise ValueError(f"{holder.full_name}: {path}: {name} is repeated")
    return field


def _ordered(value: float, path: str) -> float:
    if math.isnan(value):
        raise Invalid.field(path, "is not a number")
    return value
