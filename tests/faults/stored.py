"""What an engine holds: of SQLite read past every line of the code under test, of others by a store of their kind."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from libs.common.store.open import folder_of, open_engine
from libs.common.store.port import CollectionSpec, Query
from services.owned import held_by
from tests.integration.tables import bodies

M = TypeVar("M", bound=Message)


async def documents(url: str, service: str, spec: CollectionSpec[M]) -> list[M]:
    """All documents of a service's collection."""
    folder = folder_of(url)
    if folder is not None:
        return [spec.message.FromString(body) for body in bodies(folder, service, spec.name)]
    store = await open_engine(url, service, held_by(service))
    try:
        found: list[M] = []
        last = None
        while page := await store.query(Query.by_id(spec, after=last)):
            found += [stored.message for stored in page]
            last = page[-1].id
        return found
    finally:
        await store.close()
