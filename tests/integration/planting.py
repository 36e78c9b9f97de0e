"""Documents stored past every rule, through the store of a running house."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.store.port import CollectionSpec
from services.owned import OWNED
from tests.integration.conftest import House

M = TypeVar("M", bound=Message)


async def documents_of(house: House, service: str) -> Documents:
    """What a service of the house has stored."""
    return await house.process.documents(service, OWNED[service])


async def plant(house: House, service: str, spec: CollectionSpec[M], *planted: M) -> None:
    """Stores documents, in the place of those that have their ids."""

    async def work(unit: Unit) -> None:
        for document in planted:
            await unit.find(spec, document.id)  # type: ignore[attr-defined]
            unit.put(spec, document)

    await (await documents_of(house, service)).unit(work)


async def uproot(house: House, service: str, spec: CollectionSpec[M], id: str) -> None:
    """Removes a document."""

    async def work(unit: Unit) -> None:
        unit.delete(spec, id)

    await (await documents_of(house, service)).unit(work)
