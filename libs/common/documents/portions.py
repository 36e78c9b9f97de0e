"""Portions: how much of a large effect goes into one commit, bounded in documents and in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from google.protobuf.message import Message

from libs.common.documents.unit import Unit
from libs.common.store.port import Query

M = TypeVar("M", bound=Message)
_DOCUMENTS = 100
_BYTES = 2**20
# Read at a time: what lies beyond the bytes of a portion is read for nothing.
_SLICE = 10


@dataclass(frozen=True, slots=True)
class Portion(Generic[M]):
    """The first documents of a query; `is_last` where these are all."""

    documents: list[M]
    is_last: bool


async def read_portion(unit: Unit, query: Query[M], most: int = _DOCUMENTS) -> Portion[M]:
    """At most so many documents, and none beyond that with which a megabyte is reached; none where there are none."""
    documents: list[M] = []
    size = 0
    while len(documents) < most:
        limit = min(_SLICE, most - len(documents))
        found = await unit.query(replace(query, limit=limit))
        for place, document in enumerate(found, 1):
            documents.append(document)
            size += document.ByteSize()
            if size >= _BYTES:
                return Portion(documents, place == len(found) < limit)
        if len(found) < limit:
            return Portion(documents, True)
        query = replace(query, after=unit.place_of(query, found[-1]))
    return Portion(documents, False)


def in_portions(documents: Iterable[M]) -> Iterator[list[M]]:
    """All of them, in as few lists as the same bounds allow."""
    portion: list[M] = []
    size = 0
    for document in documents:
        portion.append(document)
        size += document.ByteSize()
        if len(portion) >= _DOCUMENTS or size >= _BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
