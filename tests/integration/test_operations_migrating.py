"""Bringing stored documents up to date, as an operation that goes on where it was cut off."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from grpc import aio
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_PRIORITY_NORMAL,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_PENDING,
    OPERATION_TYPE_MIGRATE_DATA,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest, GetOperationRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.system import SCHEMA_VERSION
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS
from services.threads.collections import THREADS
from services.threads.rank import rank_of
from tests.integration.calling import SignedIn, eventually
from tests.integration.conftest import House, open_house
from tests.integration.planting import documents_of, plant


def threads_of_before(number: int) -> list[Thread]:
    """As version 1 left them: every third is pinned."""
    planted = []
    for place in range(number):
        id = f"thread_{place:03}"
        thread = Thread(id=id, user_id="user_gone", title=id, updated_at=timestamp(1_000 + place), schema_version=1)
        thread.settings.is_pinned = place % 3 == 0
        planted.append(thread)
    return planted


async def stored(house: House) -> list[Thread]:
    return await (await documents_of(house, "threads")).query(Query.by_id(THREADS))


async def ended(house: House, id: str) -> Operation:
    async with aio.insecure_channel(house.address) as channel:
        root = SignedIn(OperationsServiceStub(channel), house.process.tokens.issue_user("root", True)[0])
        return await eventually(
            partial(root.GetOperation, GetOperationRequest(id=id)),
            lambda found: found.status == OPERATION_STATUS_COMPLETED,
        )


async def migrated(house: House, service: str = "") -> Operation:
    """The operation of an administrator who has it done, at its end."""
    request = CreateOperationRequest(type=OPERATION_TYPE_MIGRATE_DATA)
    if service:
        request.parameters["service"] = service
    async with aio.insecure_channel(house.address) as channel:
        root = SignedIn(OperationsServiceStub(channel), house.process.tokens.issue_user("root", True)[0])
        return await ended(house, (await root.CreateOperation(request)).id)


async def test_threads_of_before_get_their_place_in_lists(house: House) -> None:
    before = threads_of_before(230)
    await plant(house, "threads", THREADS, *before)
    operation = await migrated(house)
    after = await stored(house)
    assert {thread.schema_version for thread in after} == {SCHEMA_VERSION}
    assert [thread.rank for thread in after] == [rank_of(thread) for thread in before]
    assert dict(operation.result.data) == {"read": 230, "rewritten": 230}
    assert operation.progress == 100

    again = await migrated(house, "threads")
    assert dict(again.result.data) == {"read": 230, "rewritten": 0}
    assert await stored(house) == after


async def test_nothing_else_of_them_changes(house: House) -> None:
    (before,) = threads_of_before(1)
    await plant(house, "threads", THREADS, before)
    await migrated(house, "threads")
    (after,) = await stored(house)
    before.rank, before.schema_version, before.etag = rank_of(before), SCHEMA_VERSION, "2"
    assert after == before


async def test_a_service_without_migrations_has_nothing_to_do(house: House) -> None:
    assert dict((await migrated(house, "users")).result.data) == {"read": 0, "rewritten": 0}


async def test_one_that_was_cut_off_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is before its place was brought up to date by the attempt that was cut off: here it is not looked at."""
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")
    async with open_house(tmp_path / "data") as house:
        await plant(house, "threads", THREADS, *threads_of_before(230))
        now = timestamp(wall_clock())
        left = Operation(
            id="op_left",
            type=OPERATION_TYPE_MIGRATE_DATA,
            user_id="root",
            status=OPERATION_STATUS_PENDING,
            priority=OPERATION_PRIORITY_NORMAL,
            created_at=now,
        )
        left.result.data.update({"service": "threads", "collection": "threads", "after_id": "thread_099"})
        left.result.data.update({"read": 100, "rewritten": 100})
        await plant(house, "operations", OPERATIONS, left)
        operation = await ended(house, "op_left")
        assert dict(operation.result.data) == {"read": 230, "rewritten": 230}
        assert [thread.etag for thread in await stored(house)] == ["1"] * 100 + ["2"] * 130
