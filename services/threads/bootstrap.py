"""Wires the threads service into a process."""

from __future__ import annotations

from typing import Any

from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1 import threads_service_pb2
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.migrations.loading import load_migrations
from libs.common.process import Process
from libs.common.store.port import CollectionSpec
from services.threads.collections import COLLECTIONS, THREADS
from services.threads.exporting import Exporting
from services.threads.importing import Importing
from services.threads.personal_data import PERSONAL_DATA
from services.threads.references import REFERENCES
from services.threads.room import Room
from services.threads.service import ThreadsService
from services.threads.settings import ThreadsSettings
from services.threads.subscribers import subscriptions
from services.threads.temporary import Expiry


async def bootstrap(process: Process) -> None:
    """Serves threads and follows generations, deleted people and deprecated models."""
    settings = ThreadsSettings()
    changes = Changes(process.bus, "threads", settings.threads_watchdog, process.cache)

    def rewriting(unit: Unit, spec: CollectionSpec[Any], document: Any) -> None:
        if spec == THREADS:
            changes.tell(unit, document.user_id, document.id)

    documents = await process.documents(
        "threads", COLLECTIONS, migrations=load_migrations("threads"), rewriting=rewriting
    )
    process.references("threads", documents, REFERENCES)
    process.personal_data("threads", documents, PERSONAL_DATA)
    outbox = process.outbox("threads", documents)
    channels = process.channels("threads")
    process.consume("threads", documents, channels, subscriptions(changes, outbox))
    process.server.on_stopping.append(changes.close)
    process.background(Expiry(documents, changes, outbox, settings.thread_expiry).run)
    descriptor = threads_service_pb2.DESCRIPTOR.services_by_name["ThreadsService"]
    lists = process.answers("thread_lists", 60)
    room = Room(process.limits)
    messages = channels.stub("messages", MessagesServiceStub)
    importing = Importing(
        documents,
        changes,
        outbox,
        process.config,
        room,
        channels.stub("catalog", CatalogServiceStub),
        channels.stub("users", UsersServiceStub),
        messages,
    )
    exporting = Exporting(documents, outbox, messages)
    service = ThreadsService(documents, changes, outbox, process.limits, lists, room, importing, exporting)
    process.server.add(descriptor, service)
