"""Wires the threads service into a process."""

from __future__ import annotations

from llmchat.threads.v1 import threads_service_pb2

from libs.common.events.changes import Changes
from libs.common.process import Process
from services.threads.collections import COLLECTIONS
from services.threads.migrations import MIGRATIONS
from services.threads.personal_data import PERSONAL_DATA
from services.threads.references import REFERENCES
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
    process.consume("threads", documents, process.channels("threads"), subscriptions(changes, outbox))
    process.server.on_stopping.append(changes.close)
    process.background(Expiry(documents, changes, outbox, settings.thread_expiry).run)
    descriptor = threads_service_pb2.DESCRIPTOR.services_by_name["ThreadsService"]
    lists = process.answers("thread_lists", 60)
    process.server.add(descriptor, ThreadsService(documents, changes, outbox, process.limits, lists))
