"""How many threads a person may have: kept to, and not counted at every call."""

from __future__ import annotations

from typing import TypeVar

import pytest
from google.protobuf.message import Message
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.access.limits import CountedLimits
from libs.common.clock import wall_clock
from libs.common.context import Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query
from services.threads.collections import COLLECTIONS
from services.threads.room import Room
from services.threads.thread import create_thread

M = TypeVar("M", bound=Message)
ANNA = Caller(user_id="anna")


class CountingStore(MemoryStore):
    """Keeps how often it was asked to count."""

    def __init__(self) -> None:
        super().__init__([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self.counts = 0

    async def count(self, query: Query[M]) -> int:
        self.counts += 1
        return await super().count(query)


class Replica:
    """One process's threads service, as far as it opens threads."""

    def __init__(self, store: MemoryStore, most: int) -> None:
        self.limits = CountedLimits(SystemLimits(max_threads_per_user=most))
        self._room = Room(self.limits)
        self._documents = Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
        self._changes = Changes(InProcessBus(), "threads", 5)
        self._outbox = Outbox("threads", self._documents, InProcessBus(), replica="me")

    async def open(self) -> None:
        async def create(unit: Unit) -> None:
            await self._room.require(unit, ANNA.user_id)
            await create_thread(unit, self._changes, self._outbox, ANNA, CreateThreadRequest())

        await self._documents.unit(create)


async def test_the_limit_is_kept_to_the_last_thread() -> None:
    store = CountingStore()
    replicas = [Replica(store, 200) for _ in range(10)]
    for number in range(200):
        await replicas[number % 10].open()

    for replica in replicas:
        with pytest.raises(Exhausted, match="a person may have 200 threads"):
            await replica.open()


async def test_who_has_room_is_not_counted_at_every_call() -> None:
    store = CountingStore()
    replica = Replica(store, 10**6)

    for _ in range(100):
        await replica.open()

    assert store.counts < 50, "each is good for two seconds"


async def test_a_limit_that_is_lowered_counts_at_once() -> None:
    replica = Replica(CountingStore(), 1000)
    await replica.open()

    replica.limits.apply(SystemLimits(max_threads_per_user=1))

    with pytest.raises(Exhausted, match="a person may have 1 threads"):
        await replica.open()
