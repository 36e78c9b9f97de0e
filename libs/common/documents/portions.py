"""Portions: how much of a large effect goes into one commit, bounded in documents and in bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from libs.common.documents.unit import Unit
from libs.common.store.fields import indexed_field
from libs.common.store.port import Cursor, Query

M = TypeVar("M", bound=Message)
_DOCUMENTS = 100
_BYTES = 2**20
# Read at a time: what lies beyond the bytes of a portion is read for nothing.
_SLICE = 10


async def read_portion(unit: Unit, query: Query[M]) -> list[M]:
    """The first documents that `query` holds: at most 100, and none beyond the one with which a megabyte is reached.

    Empty only where the query holds nothing.
    """
    portion: list[M] = []
    size = 0
    while len(portion) < _DOCUMENTS:
        found = await unit.query(replace(query, limit=_SLICE))
        for document in found:
            portion.append(document)
            size += document.ByteSize()
            if size >= _BYTES:
                return portion
        if len(found) < _SLICE:
            return portion
        query = replace(query, after=_place(query, found[-1]))
    return portion


def _place(query: Query[M], last: M) -> Cursor:
    id: str = last.id  # type: ignore[attr-defined]
    if query.index is None:
        return Cursor(None, id)
    return Cursor(indexed_field(cast(Descriptor, last.DESCRIPTOR), query.index.order).read(last), id)
