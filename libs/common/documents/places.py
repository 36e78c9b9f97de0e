"""Where a document stands in a query: what a cursor is made of."""

from __future__ import annotations

from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from libs.common.store.fields import indexed_field
from libs.common.store.port import Cursor, Query

M = TypeVar("M", bound=Message)


def place_of(query: Query[M], document: M) -> Cursor:
    """The cursor with which the query goes on after the document."""
    id: str = document.id  # type: ignore[attr-defined]
    if query.index is None:
        return Cursor(None, id)
    return Cursor(indexed_field(cast(Descriptor, document.DESCRIPTOR), query.index.order).read(document), id)
