"""Wires the messages service from its settings."""

from __future__ import annotations

from functools import partial

from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2 import DESCRIPTOR
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.events.changes import Changes
from libs.common.migrations.loading import load_migrations
from libs.common.process import Process
from services.messages.appending import Appending
from services.messages.collections import COLLECTIONS, EXTERNAL_ANSWERS
from services.messages.defaults import Defaults
from services.messages.external import ExternalAnswers
from services.messages.generations import Generations
from services.messages.hub import Hub
from services.messages.models import Models
from services.messages.personal_data import PERSONAL_DATA
from services.messages.providers.open import open_providers
from services.messages.references import REFERENCES
from services.messages.rendering import HtmlRenderer
from services.messages.service import MessagesService
from services.messages.settings import MessagesSettings
from services.messages.streams import Streams
from services.messages.subscribers import subscriptions
from services.messages.summarizing import Summarizing


async def bootstrap(process: Process) -> None:
    """Opens the store and the providers, serves, generates, consumes."""
    settings = MessagesSettings()
    documents = await process.documents("messages", COLLECTIONS, migrations=load_migrations("messages"))
    process.references("messages", documents, REFERENCES)
    process.personal_data("messages", documents, PERSONAL_DATA)
    channels = process.channels("messages")
    threads = channels.stub("threads", ThreadsServiceStub)
    providers = open_providers(settings, channels.stub("users", UsersServiceStub), process.metrics)
    for provider in providers.values():
        process.stack.push_async_callback(provider.close)
    models = Models(channels.stub("catalog", CatalogServiceStub), providers, process.metrics)
    process.background(partial(models.run, process.bus))
    # None where there are no other replicas.
    bus = None if process.exclusive else process.bus
    hub = Hub(settings.follower_queue, bus)
    outbox = process.outbox("messages", documents)
    waiting = Changes(process.bus, EXTERNAL_ANSWERS.name, settings.watchdog)
    external = ExternalAnswers(
        documents, waiting, patience=settings.external_patience, lease_seconds=settings.lease_seconds
    )
    generations = Generations(
        documents,
        outbox,
        hub,
        models,
        external,
        bus,
        replica=process.replica,
        linger=settings.chunk_linger,
        lease_seconds=settings.lease_seconds,
        # Another process that serves the same documents tells followers what is written here meanwhile.
        stop_grace=0 if process.exclusive else process.settings.stop_grace,
        summing_up=lambda: process.config.current.features.summarization,
        failpoints=process.failpoints,
    )
    process.stack.push_async_callback(generations.close)
    process.background(generations.run)
    process.consume("messages", documents, channels, subscriptions(generations, outbox))
    process.server.on_stopping += (generations.prepare_to_stop, hub.close, waiting.close)
    streams = Streams(documents, hub, generations, settings.watchdog)
    appending = Appending(documents, models, generations, external, waiting, settings.external_patience)
    defaults = Defaults(channels.stub("users", UsersServiceStub), threads, process.config, process.metrics)
    process.background(partial(defaults.run, process.bus))
    summarizing = Summarizing(documents, outbox, models, process.config)
    service = MessagesService(
        documents,
        outbox,
        models,
        threads,
        generations,
        streams,
        appending,
        defaults,
        summarizing,
        process.limits,
        HtmlRenderer(),
    )
    process.server.add(DESCRIPTOR.services_by_name["MessagesService"], service)
