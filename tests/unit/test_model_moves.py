"""Deprecated models in a chain: whoever prefers the first ends at the last, in whatever order the steps come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from llmchat.events.v1.events_pb2 import GenerationFinished, ModelDeprecated
from llmchat.threads.v1.thread_pb2 import (
    MODEL_USAGE_STATUS_ACTIVE,
    MODEL_USAGE_STATUS_ARCHIVED,
    ModelUsage,
    Thread,
)
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import UserSettings
from llmchat.users.v1.users_service_pb2 import CreateUserRequest

from libs.common.clock import timestamp, wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.inbox import Handler
from libs.common.events.outbox import Outbox
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query
from services.threads.collections import COLLECTIONS as THREADS_COLLECTIONS
from services.threads.collections import THREADS
from services.threads.subscribers import subscriptions as threads_subscriptions
from services.users.collections import COLLECTIONS as USERS_COLLECTIONS
from services.users.collections import USERS
from services.users.subscribers import subscriptions as users_subscriptions
from services.users.user import create_user
from tests.unit.configured import live_config
from tests.unit.late import handle, overtaken, step

# Three portions of them.
MANY = 250
A_TO_B = ModelDeprecated(model_id="a", replacement_id="b")
B_TO_C = ModelDeprecated(model_id="b", replacement_id="c")
# One step buries the model, three go through the documents.
STEPS = 4
# At which of the eight steps the first event has its own.
ORDERS = list(combinations(range(2 * STEPS), STEPS))


def documents_of(collections: Sequence[CollectionSpec[Any]]) -> Documents:
    store = MemoryStore([*collections, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


@pytest.fixture
def threads() -> Documents:
    return documents_of(THREADS_COLLECTIONS)


@pytest.fixture
def users() -> Documents:
    return documents_of(USERS_COLLECTIONS)


def handlers_of(threads: Documents) -> dict[str, Handler]:
    bus = InProcessBus()
    return threads_subscriptions(Changes(bus, "threads", 5), Outbox("threads", threads, bus, replica="me"))


async def interleaved(documents: Documents, handler: Handler, order: Sequence[int]) -> None:
    """The steps of both events: the first event's at the places of `order`, the second's at the others."""
    progress: dict[str, str | None] = {"a": "", "b": ""}
    for place in range(2 * STEPS):
        event = A_TO_B if place in order else B_TO_C
        at = progress[event.model_id]
        assert at is not None, "it has more steps than it takes"
        progress[event.model_id] = await step(documents, handler, event, at)
    assert progress == {"a": None, "b": None}


async def fill(documents: Documents, *contents: Any) -> None:
    spec = THREADS if isinstance(contents[0], Thread) else USERS

    async def work(unit: Unit) -> None:
        for content in contents:
            unit.create(spec, content)

    await documents.unit(work)


def a_thread(id: str, *active: str) -> Thread:
    usage = ModelUsage(message_count=2, status=MODEL_USAGE_STATUS_ACTIVE)
    return Thread(id=id, models=dict.fromkeys(active, usage), active_models=active, updated_at=timestamp(1_000))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join("ba"[at in order] for at in range(2 * STEPS)))
async def test_threads_end_at_the_last_one_in_every_order_of_steps(threads: Documents, order: Sequence[int]) -> None:
    actives = (("a",), ("b",), ("a", "b"), ("a", "c"), ("x", "a", "y"))
    await fill(threads, *(a_thread(f"thread_{n:03}", *actives[n % len(actives)]) for n in range(MANY)))

    await interleaved(threads, handlers_of(threads)["model.deprecated"], order)

    ended = [tuple(thread.active_models) for thread in await threads.query(Query.by_id(THREADS))]
    assert ended == [(("c",), ("c",), ("c",), ("c",), ("x", "c", "y"))[n % len(actives)] for n in range(MANY)]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join("ba"[at in order] for at in range(2 * STEPS)))
async def test_people_end_at_the_last_one_in_every_order_of_steps(users: Documents, order: Sequence[int]) -> None:
    people = [
        UserRecord(id=f"user_{n:03}", settings=UserSettings(default_model=("a", "b", "c", "x")[n % 4]))
        for n in range(MANY)
    ]
    await fill(users, *people)

    await interleaved(users, users_subscriptions()["model.deprecated"], order)

    ended = [record.settings.default_model for record in await users.query(Query.by_id(USERS))]
    assert ended == [("c", "c", "c", "x")[n % 4] for n in range(MANY)]


async def test_what_a_model_has_done_stays_and_its_thread_does_not_become_younger(threads: Documents) -> None:
    await fill(threads, a_thread("thread_1", "a", "x"))

    await handle(threads, handlers_of(threads)["model.deprecated"], A_TO_B)

    thread = await threads.get(THREADS, "thread_1")
    assert list(thread.active_models) == ["b", "x"]
    assert thread.models["a"] == ModelUsage(message_count=2, status=MODEL_USAGE_STATUS_ARCHIVED)
    assert thread.models["x"].status == MODEL_USAGE_STATUS_ACTIVE
    assert "b" not in thread.models
    assert thread.updated_at == timestamp(1_000)


async def test_a_model_that_nothing_replaces_leaves_its_threads(threads: Documents) -> None:
    await fill(threads, a_thread("thread_1", "a", "x"))

    await handle(threads, handlers_of(threads)["model.deprecated"], ModelDeprecated(model_id="a"))

    assert list((await threads.get(THREADS, "thread_1")).active_models) == ["x"]


async def test_an_answer_that_is_told_late_counts_and_does_not_bring_its_model_back(threads: Documents) -> None:
    handlers = handlers_of(threads)
    await fill(threads, a_thread("thread_1", "a"), a_thread("thread_2"))
    await handle(threads, handlers["model.deprecated"], A_TO_B)

    for thread_id in ("thread_1", "thread_2"):
        finished = GenerationFinished(thread_id=thread_id, model_id="a", messages=2, tokens=30)
        await handle(threads, handlers["generation.finished"], finished)

    first, second = await threads.query(Query.by_id(THREADS))
    assert (first.models["a"].message_count, first.models["a"].total_tokens_used) == (4, 30)
    for thread in (first, second):
        assert thread.models["a"].status == MODEL_USAGE_STATUS_ARCHIVED
        assert list(thread.active_models) == ["b"]


async def test_an_answer_that_a_deprecation_overtakes_moves_on_all_the_same(threads: Documents) -> None:
    handlers = handlers_of(threads)
    await fill(threads, a_thread("thread_1"))
    finished = GenerationFinished(thread_id="thread_1", model_id="a", messages=2)

    async def record(unit: Unit) -> object:
        return await handlers["generation.finished"](unit, finished, "")

    await overtaken(threads, record, lambda: handle(threads, handlers["model.deprecated"], A_TO_B))

    assert list((await threads.get(THREADS, "thread_1")).active_models) == ["b"]


async def test_a_move_that_another_deprecation_overtakes_moves_on_all_the_same(threads: Documents) -> None:
    deprecated = handlers_of(threads)["model.deprecated"]
    await fill(threads, a_thread("thread_1", "a"))
    progress = await step(threads, deprecated, A_TO_B, "")

    async def move(unit: Unit) -> object:
        return await deprecated(unit, A_TO_B, progress or "")

    await overtaken(threads, move, lambda: handle(threads, deprecated, B_TO_C))

    assert list((await threads.get(THREADS, "thread_1")).active_models) == ["c"]


async def test_an_account_that_a_deprecation_overtakes_begins_with_what_replaces_its_model(users: Documents) -> None:
    deprecated = users_subscriptions()["model.deprecated"]
    request = CreateUserRequest(username="ada@example.org", settings=UserSettings(default_model="a"))
    outbox = Outbox("users", users, InProcessBus(), replica="me")

    async def register(unit: Unit) -> object:
        return await create_user(unit, outbox, live_config(), request, "a hash")

    await overtaken(users, register, lambda: handle(users, deprecated, A_TO_B))

    [record] = await users.query(Query.by_id(USERS))
    assert record.settings.default_model == "b"
