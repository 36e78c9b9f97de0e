"""What hangs on an account within this service."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from libs.common.documents.unit import Unit
from libs.common.store.port import CollectionSpec, Query

M = TypeVar("M", bound=Message)


async def remove_all(unit: Unit, spec: CollectionSpec[M], user_id: str) -> None:
    """Stages the removal of a person's documents in a collection: there are a hundred at most of every kind.

    The unit has to put or delete the account, too: who adds one puts it as well, so none is missed.
    """
    for document in await unit.query(Query.where(spec, order="created_at", user_id=user_id)):
        unit.delete(spec, document.id)  # type: ignore[attr-defined]
