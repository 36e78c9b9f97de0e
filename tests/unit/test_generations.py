"""Cancelling an answer in the moment in which its turn comes: its beginning is committed, and it is about to start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_ECHO, ModelConfig
from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_CANCELLED, MESSAGE_STATUS_PENDING, Message

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import LEASES, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query
from libs.common.telemetry.metrics import Metrics
from services.messages.cascades import remove_thread
from services.messages.collections import CHUNKS, COLLECTIONS, CONVERSATIONS, MESSAGES
from services.messages.endings import begin_answer
from services.messages.external import ExternalAnswers
from services.messages.generations import Generations
from services.messages.hub import Hub
from services.messages.models import Models
from services.messages.providers.port import Health, Prompt, Usage

ANSWER = "msg_1"
THREAD = "thread_1"


class EndlessProvider:
    """A stand-in for a model that never finishes."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        while True:
            yield "on and "
            await asyncio.sleep(0)

    async def check(self, api_key: str) -> Health:
        return Health()

    async def close(self) -> None:
        """Nothing to let go of."""


class StandInCatalog:
    """A stand-in for the catalog service: one model."""

    async def GetModel(self, request: object) -> ModelConfig:  # noqa: N802 # the RPC's name
        model = ModelConfig(id="endless", provider=MODEL_PROVIDER_ECHO)
        model.specs.context_length = 1000
        model.status.is_available = True
        return model


@pytest.fixture
async def documents() -> Documents:
    store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


@pytest.fixture
async def generations(documents: Documents) -> AsyncIterator[Generations]:
    models = Models(StandInCatalog(), {MODEL_PROVIDER_ECHO: EndlessProvider()}, Metrics())  # type: ignore[arg-type]
    outbox = outbox_of(documents)
    waiting = Changes(InProcessBus(), "external_answers", 1)
    external = ExternalAnswers(documents, waiting, patience=300, lease_seconds=10)
    generations = Generations(documents, outbox, Hub(8), models, external, replica="me", linger=0, lease_seconds=10)
    yield generations
    await generations.close()


def outbox_of(documents: Documents) -> Outbox:
    return Outbox("messages", documents, InProcessBus(), replica="me")


async def begin(documents: Documents) -> Message:
    """The commit that gives the answer its turn; what starts it has not run yet."""

    async def work(unit: Unit) -> Message:
        conversation = Conversation(id=THREAD, user_id="anna", last_position=2)
        conversation.turns["endless"].running = ANSWER
        unit.create(CONVERSATIONS, conversation)
        answer = Message(
            id=ANSWER,
            thread_id=THREAD,
            model_id="endless",
            user_id="anna",
            status=MESSAGE_STATUS_PENDING,
            position=2,
            generation="g1",
        )
        unit.create(MESSAGES, answer)
        await begin_answer(unit, answer, "me", 10)
        return answer

    return await documents.unit(work)


async def leftovers(documents: Documents) -> int:
    return await documents.store.count(Query.by_id(CHUNKS)) + await documents.store.count(Query.by_id(LEASES))


async def test_a_cancel_waits_for_the_start_and_then_ends_it(documents: Documents, generations: Generations) -> None:
    answer = await begin(documents)
    cancelling = asyncio.create_task(generations.cancel(ANSWER))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not cancelling.done()
    generations.start(answer)
    await cancelling
    assert (await documents.get(MESSAGES, ANSWER)).status == MESSAGE_STATUS_CANCELLED
    assert generations.stored_tokens(ANSWER, 0) is None
    assert await leftovers(documents) == 0


async def test_a_deletion_leaves_nothing_of_an_answer_that_was_about_to_start(
    documents: Documents, generations: Generations
) -> None:
    answer = await begin(documents)
    event, outbox = ThreadDeleted(thread_id=THREAD, user_id="anna"), outbox_of(documents)

    async def delete() -> None:
        progress = ""

        async def step(unit: Unit) -> str | None:
            return await remove_thread(unit, generations, outbox, event, progress)

        while (following := await documents.unit(step)) is not None:
            progress = following

    deleting = asyncio.create_task(delete())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not deleting.done()
    generations.start(answer)
    await deleting
    assert await documents.find(MESSAGES, ANSWER) is None
    assert (await documents.get(CONVERSATIONS, THREAD)).deleted
    assert await leftovers(documents) == 0
