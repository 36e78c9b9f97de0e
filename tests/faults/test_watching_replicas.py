"""Two processes over one store and a real Redis: what happens on one is watched on the other, Redis or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest, WatchOperationRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    ThreadChange,
    UpdateThreadRequest,
    WatchThreadsRequest,
)

from tests.faults.redis import Redis
from tests.faults.server import Server
from tests.integration.calling import eventually
from tests.integration.conftest import Person

if TYPE_CHECKING:
    from grpc import aio

    Watch = aio.UnaryStreamCall[WatchThreadsRequest, ThreadChange]


@asynccontextmanager
async def two_replicas(
    folder: Path, redis_url: str, settings: Mapping[str, str]
) -> AsyncIterator[tuple[Person, Person]]:
    """Anna at one of them, and at the other."""
    shared = {"STORE_URL": f"sqlite:///{folder / 'shared'}", "BUS_URL": redis_url, "ECHO_TOKENS_PER_SECOND": "0"}
    replicas = []
    for name in ("here", "there"):
        (folder / name).mkdir()
        replicas.append(Server(folder / name, {**shared, **settings}))
    here, there = replicas
    try:
        await asyncio.gather(here.start(), there.start())
        async with here.visit("user_anna") as at_one, there.visit("user_anna") as at_other:
            yield at_one, at_other
        await asyncio.gather(here.stop(), there.stop())
    finally:
        await asyncio.gather(here.close(), there.close())


async def begun(person: Person) -> Watch:
    """A watch of no threads, synced."""
    watch = person.threads.WatchThreads(WatchThreadsRequest())
    assert (await read(watch)).HasField("synced")
    return watch


async def read(watch: Watch) -> ThreadChange:
    async with asyncio.timeout(30):
        change = await watch.read()
    assert isinstance(change, ThreadChange)
    return change


async def rename(person: Person, thread: Thread, title: str) -> Thread:
    request = UpdateThreadRequest(thread=Thread(id=thread.id, title=title), update_mask=FieldMask(paths=["title"]))
    return await person.threads.UpdateThread(request)


async def test_what_happens_on_one_replica_is_told_on_the_other(tmp_path: Path, redis_url: str) -> None:
    never = {"THREADS_WATCHDOG": "3600", "OPERATION_WATCHDOG": "3600"}
    async with two_replicas(tmp_path, redis_url, never) as (here, there):
        watches = [await begun(here), await begun(there)]
        thread = await here.threads.CreateThread(CreateThreadRequest())
        for watch in watches:
            assert (await read(watch)).thread == thread

        async for _ in there.messages.SendMessage(
            SendMessageRequest(thread_id=thread.id, model_id="echo", content="a")
        ):
            pass
        for watch in watches:
            seen = thread
            while not (seen.has_title and seen.total_messages == 2):
                seen = (await read(watch)).thread

        (operation,) = (
            await eventually(
                lambda: here.operations.ListOperations(ListOperationsRequest()), lambda answer: answer.operations
            )
        ).operations
        for person in (here, there):
            told = [one async for one in person.operations.WatchOperation(WatchOperationRequest(id=operation.id))]
            assert told[-1].status == OPERATION_STATUS_COMPLETED

        await there.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
        for watch in watches:
            assert (await read(watch)).deleted_id == thread.id


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    redis = Redis()
    await redis.start()
    yield redis
    await redis.kill()


async def test_without_redis_everything_is_told_later_and_once(tmp_path: Path, redis: Redis) -> None:
    async with two_replicas(tmp_path, redis.url, {"THREADS_WATCHDOG": "0.5"}) as (here, there):
        watch = await begun(there)
        thread = await here.threads.CreateThread(CreateThreadRequest(title="with Redis"))
        assert (await read(watch)).thread == thread

        await redis.kill()
        for number in range(3):
            renamed = await rename(here, thread, f"without Redis {number}")
            assert (await read(watch)).thread == renamed
        other = await here.threads.CreateThread(CreateThreadRequest(title="without Redis"))
        assert (await read(watch)).thread == other
        await here.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
        assert (await read(watch)).deleted_id == thread.id

        await redis.start()
        renamed = await rename(here, other, "with Redis again")
        assert (await read(watch)).thread == renamed
