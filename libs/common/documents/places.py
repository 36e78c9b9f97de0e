"""Where a document stands in a query: what a cursor is made of."""

from __future__ import annotations

from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from libs.common.documents.upgraded import UpgradedDocument
from libs.common.store.fields import indexed_field
from libs.common.store.port import Cursor, Query, Stored

M = TypeVar("M", bound=Message)


def place_of(query: Query[M], stored: Stored[M]) -> Cursor:
    """The cursor with which the query goes on after the document, by how that is stored."""
    if query.index is None:
        return Cursor(None, stored.id)
    document = stored.former.message if isinstance(stored, UpgradedDocument) else stored.message
    field = indexed_field(cast(Descriptor, document.DESCRIPTOR), query.index.order)
    return Cursor(field.read(document), stored.id)
