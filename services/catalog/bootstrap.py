"""Wires the catalog service into a process."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2 import DESCRIPTOR

from libs.common.documents.unit import Unit
from libs.common.process import Process
from services.catalog.collections import COLLECTIONS
from services.catalog.initial_models import initial_models
from services.catalog.model import add_missing
from services.catalog.references import REFERENCES
from services.catalog.service import CatalogService


async def bootstrap(process: Process) -> None:
    """Adds the models that the catalog lacks, then serves them."""
    documents = await process.documents("catalog", COLLECTIONS)
    process.references("catalog", documents, REFERENCES)

    async def seed(unit: Unit) -> None:
        await add_missing(unit, initial_models())

    await documents.unit(seed)
    service = CatalogService(documents, process.outbox("catalog", documents))
    process.server.add(DESCRIPTOR.services_by_name["CatalogService"], service)
