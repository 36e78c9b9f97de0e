"""Wires the threads service into a process."""

from __future__ import annotations

from llmchat.threads.v1 import threads_service_pb2

from libs.common.process import Process
from services.threads.collections import COLLECTIONS
from services.threads.service import ThreadsService
from services.threads.subscribers import subscriptions


async def bootstrap(process: Process) -> None:
    """Serves threads and follows the generations that end."""
    documents = await process.documents("threads", COLLECTIONS)
    outbox = process.outbox("threads", documents)
    process.consume("threads", documents, process.channels("threads"), subscriptions(outbox))
    descriptor = threads_service_pb2.DESCRIPTOR.services_by_name["ThreadsService"]
    process.server.add(descriptor, ThreadsService(documents, outbox))
