"""Tombstones: what is gone stays gone. Who creates something below it checks that in the same commit."""

from __future__ import annotations

from llmchat.store.v1.tombstone_pb2 import Tombstone

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.system import TOMBSTONES
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound


async def bury(unit: Unit, kind: str, id: str, *, successor_id: str = "") -> None:
    """Stages the tombstone of a document that this service creates others below; one that is there stays as it is."""
    if await unit.find(TOMBSTONES, _key(kind, id)) is None:
        tombstone = Tombstone(id=_key(kind, id), deleted_at=timestamp(unit.now), successor_id=successor_id)
        unit.create(TOMBSTONES, tombstone)


async def require_alive(unit: Unit, kind: str, id: str) -> None:
    """Has the unit commit only if there is no tombstone then.

    Raises:
        NotFound: there is one.
    """
    if not await is_alive(unit, kind, id):
        raise NotFound(kind, id)


async def is_alive(unit: Unit, kind: str, id: str) -> bool:
    """Whether there is no tombstone of it; the unit then commits only if that is still so."""
    if await is_buried(unit, kind, id):
        return False
    unit.require_absent(TOMBSTONES, _key(kind, id))
    return True


async def is_buried(documents: Documents | Unit, kind: str, id: str) -> bool:
    """Whether there is a tombstone of it."""
    return await documents.find(TOMBSTONES, _key(kind, id)) is not None


async def successor_of(documents: Documents | Unit, kind: str, id: str) -> str:
    """What stands in its place now, following one tombstone to the next; `id` itself where it is not buried.

    Empty where nothing replaces it.
    """
    seen = {id}
    while (tombstone := await documents.find(TOMBSTONES, _key(kind, id))) is not None:
        id = tombstone.successor_id
        if not id or id in seen:
            return ""
        seen.add(id)
    return id


async def living_successor(unit: Unit, kind: str, id: str) -> str:
    """As `successor_of`, and has the unit commit only if that one is still alive then.

    Otherwise what is stored in favour of it could be missed by those who look for that once it is buried.
    """
    successor = await successor_of(unit, kind, id)
    if successor:
        await require_alive(unit, kind, successor)
    return successor


def _key(kind: str, id: str) -> str:
    return f"{kind}.{id}"
