"""Wires the operations service into a process."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.operations.v1 import operation_pb2, operations_service_pb2

from libs.common.events.changes import Changes
from libs.common.migrations.loading import load_migrations
from libs.common.process import Process
from services.operations.collections import COLLECTIONS
from services.operations.creating import Creating
from services.operations.export import UserDataExport
from services.operations.generate_title import title_generation
from services.operations.integrity import IntegrityCheck
from services.operations.load_model import model_loading
from services.operations.migrate_data import data_migration
from services.operations.personal_data import PERSONAL_DATA
from services.operations.references import REFERENCES
from services.operations.service import OperationsService
from services.operations.settings import OperationsSettings
from services.operations.subscribers import counted, subscriptions
from services.operations.summarize import summarization
from services.operations.system_config import SystemConfigs
from services.operations.system_health import SystemHealthCheck
from services.operations.system_version import read_version
from services.operations.worker import Worker


async def bootstrap(process: Process) -> None:
    """Serves operations, carries them out, and follows the threads that they are about."""
    settings = OperationsSettings()
    documents = await process.documents("operations", COLLECTIONS, migrations=load_migrations("operations"))
    process.references("operations", documents, REFERENCES)
    process.personal_data("operations", documents, PERSONAL_DATA)
    outbox = process.outbox("operations", documents)
    changes = Changes(process.bus, "operations", settings.operation_watchdog)
    # Not closed with those of the watchers: it works until the process ends.
    news = Changes(process.bus, "operations", settings.operation_interval)
    channels = process.channels("operations")
    works = {
        operation_pb2.OPERATION_TYPE_GENERATE_TITLE: title_generation(channels),
        operation_pb2.OPERATION_TYPE_SUMMARIZE: summarization(channels),
        operation_pb2.OPERATION_TYPE_LOAD_MODEL: model_loading(channels),
        operation_pb2.OPERATION_TYPE_MIGRATE_DATA: data_migration(channels),
    }
    worker = Worker(documents, news, works, process.replica, settings, exclusive=process.exclusive)
    process.background(worker.run)
    catalog = channels.stub("catalog", CatalogServiceStub)
    config = SystemConfigs(documents, outbox, process.bus, process.config, catalog)
    await config.load()
    process.consume("operations", documents, channels, subscriptions(changes, config), counted())
    process.server.on_stopping.append(changes.close)
    descriptor = operations_service_pb2.DESCRIPTOR.services_by_name["OperationsService"]
    export = UserDataExport(documents, outbox, channels)
    creating = Creating(documents, changes, channels, process.config, settings)
    health = SystemHealthCheck(documents, channels, process.bus)
    version = read_version(process.settings)
    service = OperationsService(documents, changes, creating, IntegrityCheck(channels), export, config, health, version)
    process.server.add(descriptor, service)
