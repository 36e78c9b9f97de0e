"""Wires the catalog service into a process."""

from __future__ import annotations

from functools import partial

from llmchat.catalog.v1.catalog_service_pb2 import DESCRIPTOR
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub

from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.migrations.loading import load_migrations
from libs.common.process import Process
from services.catalog.checks import HealthChecks
from services.catalog.collections import COLLECTIONS
from services.catalog.initial_models import initial_models
from services.catalog.model import add_missing
from services.catalog.references import REFERENCES
from services.catalog.service import CatalogService
from services.catalog.settings import CatalogSettings
from services.catalog.shown import RememberedHealths

# For which models and lists of them are remembered at most: they are forgotten once one changes.
_FRESH_SECONDS = 1800


async def bootstrap(process: Process) -> None:
    """Adds the models that the catalog lacks, then serves them and looks after their makers' health."""
    settings = CatalogSettings()
    documents = await process.documents("catalog", COLLECTIONS, migrations=load_migrations("catalog"))
    process.references("catalog", documents, REFERENCES)
    changes = Changes(process.bus, "models", settings.models_watchdog, process.cache)

    async def seed(unit: Unit) -> None:
        await add_missing(unit, changes, initial_models())

    await documents.unit(seed)
    channels = process.channels("catalog")
    healths = RememberedHealths(documents, process.cache, process.metrics)
    # Whoever changed a model last may have died before it was forgotten.
    healths.forget()
    process.background(partial(healths.run, process.bus))
    messages = channels.stub("messages", MessagesServiceStub)
    checks = HealthChecks(documents, changes, healths, messages, process.replica, settings.health_interval)
    if settings.health_interval:
        process.background(checks.run)
    process.server.on_stopping.append(changes.close)
    operations = channels.stub("operations", OperationsServiceStub)
    outbox = process.outbox("catalog", documents)
    answers = process.answers("model_answers", _FRESH_SECONDS), process.answers("model_lists", _FRESH_SECONDS)
    service = CatalogService(documents, changes, outbox, healths, checks, operations, *answers)
    process.server.add(DESCRIPTOR.services_by_name["CatalogService"], service)
