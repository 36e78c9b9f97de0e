"""The migrations of a service at a place, and documents as earlier versions left them.

`python -m tests.conformance.migrating PLACE` applies those of the threads service, and prints a line after each page.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message as AnyMessage
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message
from llmchat.store.v1.migration_pb2 import MigrationRecord
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import Clock, timestamp, wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.portions import in_portions
from libs.common.documents.unit import Unit
from libs.common.migrations.loading import Migrations, load_migrations
from libs.common.migrations.runner import Runner
from libs.common.store.port import CollectionSpec, Query, Store
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.owned import held_by
from services.threads.collections import THREADS
from tests.conformance.places import Place

# Seconds that a page of the process takes besides, so that it is met in the middle of its work.
_PAUSE = 0.05
# Seconds.
LEASE = 1.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service's documents as they are stored (`raw`) and as this version reads them, and what migrates them."""

    raw: Documents
    documents: Documents
    runner: Runner

    async def up(self) -> list[MigrationRecord]:
        """Applies what is pending: the migrations after every page."""
        async with aclosing(self.runner.up("a test")) as steps:
            return [record async for record in steps]

    async def down(self, to: int = 0) -> list[MigrationRecord]:
        """Rolls back what is beyond a number."""
        async with aclosing(self.runner.down(to, "a test")) as steps:
            return [record async for record in steps]

    async def states(self) -> list[int]:
        """Of all migrations, in their order."""
        return [known.record.state for known in await self.runner.known()]

    async def plant(self, spec: CollectionSpec[Any], planted: Sequence[AnyMessage]) -> None:
        """Stores new documents as they are given."""
        for portion in in_portions(planted):

            async def work(unit: Unit, portion: Sequence[Any] = portion) -> None:
                for document in portion:
                    unit.create(spec, document)

            await self.raw.unit(work)

    async def all_of(self, spec: CollectionSpec[Any]) -> list[Any]:
        """All documents of a collection, as they are stored."""
        found: list[Any] = []
        while page := await self.raw.query(Query.by_id(spec, after=found[-1].id if found else None)):
            found += page
        return found


def service_of(store: Store, name: str, *, clock: Clock = wall_clock, holder: str = "one") -> Service:
    """A service of this system on a store, run by the process `holder`."""
    return served(store, load_migrations(name), clock=clock, holder=holder)


def served(store: Store, migrations: Migrations, *, clock: Clock = wall_clock, holder: str = "one") -> Service:
    """A service with these migrations."""
    tokens, seal = PageTokens([b"p" * 32]), RequestSeal([b"d" * 32])
    raw = Documents(store, clock, tokens, seal)
    runner = Runner(raw, migrations, holder=holder, exclusive=False, lease_seconds=LEASE)
    return Service(raw, Documents(migrations.upgraded(store), clock, tokens, seal), runner)


@asynccontextmanager
async def opened(place: Place, name: str, *, clock: Clock = wall_clock, holder: str = "one") -> AsyncIterator[Service]:
    """A service of this system at a place."""
    store = await place.open(held_by(name))
    try:
        yield service_of(store, name, clock=clock, holder=holder)
    finally:
        await store.close()


def threads_of_before(number: int) -> list[Thread]:
    """As version 1 left them: every third is pinned. The one with the last activity has the first id."""
    planted = []
    for place in range(number):
        thread = Thread(id=f"thread_{place:05}", user_id="user_ada", title=f"Number {place}", schema_version=1)
        thread.updated_at.CopyFrom(timestamp(1_000_000 - place))
        thread.settings.is_pinned = place % 3 == 0
        planted.append(thread)
    return planted


def messages_of_before(turns: int, thread_id: str = "thread_1") -> list[Message]:
    """Questions to two models in turn, and their answers, from before messages named the one that they follow."""
    said: list[Message] = []
    for turn in range(turns):
        for role in (ROLE_USER, ROLE_ASSISTANT):
            position = len(said) + 1
            said.append(
                Message(
                    id=f"msg_{thread_id}_{position:04}",
                    thread_id=thread_id,
                    user_id="user_ada",
                    model_id=("echo", "other")[turn % 2],
                    role=role,
                    position=position,
                    question_id=said[-1].id if role == ROLE_ASSISTANT else "",
                    schema_version=1,
                )
            )
    return said


async def plant_messages(service: Service, turns: int) -> None:
    """A conversation of before."""
    said = messages_of_before(turns)
    await service.plant(MESSAGES, said)
    conversation = Conversation(id="thread_1", user_id="user_ada", last_position=len(said), schema_version=1)
    await service.plant(CONVERSATIONS, [conversation])


def parents(messages: Sequence[Message]) -> dict[str, str]:
    """Of each message, by its id, the one that it follows."""
    return {message.id: message.parent_id for message in messages}


async def plant_threads(service: Service, number: int) -> None:
    """Threads of before."""
    await service.plant(THREADS, threads_of_before(number))


async def main(place: Place) -> None:
    """Until all is applied, or the process is killed."""
    async with opened(place, "threads", holder="the process") as service:
        async for record in service.runner.up("the process"):
            sys.stdout.write(f"{record.state} {record.progress[0].rewritten}\n")
            sys.stdout.flush()
            await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    asyncio.run(main(Place.parse(sys.argv[1])))
