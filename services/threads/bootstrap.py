"""Wires the threads service into a process."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1 import threads_service_pb2
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.events.changes import Changes
from libs.common.process import Process
from services.threads.collections import COLLECTIONS
from services.threads.exporting import Exporting
from services.threads.importing import Importing
from services.threads.migrations import MIGRATIONS
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
    documents = await process.documents("threads", COLLECTIONS)
    process.references("threads", documents, REFERENCES)
    process.personal_data("threads", documents, PERSONAL_DATA)
    changes = Changes(process.bus, "threads", settings.threads_watchdog, process.cache)
    process.migrations(
        "threads", documents, MIGRATIONS, lambda unit, thread: changes.tell(unit, thread.user_id, thread.id)
    )
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
