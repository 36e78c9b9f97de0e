"""What is begun before a deletion and would be stored after it is not stored: whoever creates checks the tombstones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from llmchat.events.v1.events_pb2 import ThreadDeleted, TitleWanted, UserDeleted
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_DELETE_USER, Operation
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.clock import wall_clock
from libs.common.context import Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query
from services.operations import collections as operations
from services.operations.subscribers import subscriptions as operations_subscriptions
from services.threads import collections as threads
from services.threads.subscribers import subscriptions as threads_subscriptions
from services.threads.thread import create_thread
from tests.unit.configured import system_configs
from tests.unit.late import handle, overtaken

ADA = UserDeleted(user_id="ada", operation_id="op_delete_ada")
WANTED = TitleWanted(thread_id="thread_1", user_id="ada", model_id="echo")


def documents_of(collections: Sequence[CollectionSpec[Any]]) -> Documents:
    store = MemoryStore([*collections, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


def changes() -> Changes:
    return Changes(InProcessBus(), "things", 5)


async def test_a_thread_that_is_opened_while_its_person_is_deleted() -> None:
    documents = documents_of(threads.COLLECTIONS)
    outbox = Outbox("threads", documents, InProcessBus(), replica="me")
    user_deleted = threads_subscriptions(changes(), outbox)["user.deleted"]

    async def create(unit: Unit) -> object:
        return await create_thread(unit, changes(), outbox, Caller(user_id="ada"), CreateThreadRequest())

    with pytest.raises(NotFound):
        await overtaken(documents, create, lambda: handle(documents, user_deleted, ADA))

    assert await documents.store.count(Query.by_id(threads.THREADS)) == 0


@pytest.mark.parametrize(
    ("type", "event"),
    [("user.deleted", ADA), ("thread.deleted", ThreadDeleted(thread_id="thread_1", user_id="ada"))],
    ids=["its person", "its thread"],
)
async def test_a_title_that_is_wanted_while_what_it_is_for_is_deleted(type: str, event: Any) -> None:
    documents = documents_of(operations.COLLECTIONS)
    handlers = operations_subscriptions(changes(), system_configs(documents))

    async def want(unit: Unit) -> object:
        return await handlers["thread.title_wanted"](unit, WANTED, "")

    await overtaken(documents, want, lambda: handle(documents, handlers[type], event))

    assert await operations_but_the_deletion(documents) == []


async def test_a_title_that_is_wanted_by_an_event_that_comes_late() -> None:
    documents = documents_of(operations.COLLECTIONS)
    handlers = operations_subscriptions(changes(), system_configs(documents))
    await handle(documents, handlers["thread.title_wanted"], WANTED)
    assert len(await operations_but_the_deletion(documents)) == 1

    await handle(documents, handlers["user.deleted"], ADA)
    await handle(documents, handlers["thread.title_wanted"], WANTED)

    assert await operations_but_the_deletion(documents) == []


async def operations_but_the_deletion(documents: Documents) -> list[Operation]:
    found = await documents.query(Query.by_id(operations.OPERATIONS))
    return [operation for operation in found if operation.type != OPERATION_TYPE_DELETE_USER]
