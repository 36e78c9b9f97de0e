"""Watching one's threads through a socket, while the whole house works on them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest, WatchOperationRequest
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    ThreadChange,
    UpdateThreadRequest,
    WatchThreadsRequest,
)
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.common import opening
from tests.integration.accounts import account
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.standins.lossy_bus import LossyBus

if TYPE_CHECKING:
    Watch = aio.UnaryStreamCall[WatchThreadsRequest, ThreadChange]


@pytest.fixture(autouse=True)
def _only_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told in these tests is told by hints: nobody looks of themselves before the test is over."""
    monkeypatch.setenv("LLMCHAT_THREADS_WATCHDOG", "3600")
    monkeypatch.setenv("LLMCHAT_OPERATION_WATCHDOG", "3600")


async def begun(person: Person, limit: int = 0) -> tuple[Watch, list[Thread]]:
    """A watch that is synced, and the threads that it began with."""
    watch = person.threads.WatchThreads(WatchThreadsRequest(limit=limit))
    threads = []
    while (change := await read(watch)).WhichOneof("change") == "thread":
        threads.append(change.thread)
    assert change.HasField("synced")
    return watch, threads


async def read(watch: Watch) -> ThreadChange:
    async with asyncio.timeout(10):
        change = await watch.read()
    assert isinstance(change, ThreadChange)
    return change


async def test_a_conversation_as_a_sidebar_sees_it(house: House, anna: Person) -> None:
    old = await anna.threads.CreateThread(CreateThreadRequest(title="old"))
    watch, threads = await begun(anna)
    assert threads == [old]

    thread = await anna.threads.CreateThread(CreateThreadRequest())
    assert (await read(watch)).thread == thread

    request = SendMessageRequest(thread_id=thread.id, model_id="echo", content="A week in Lisbon")
    async for _ in anna.messages.SendMessage(request):
        pass
    seen = thread
    while not (seen.has_title and seen.total_messages == 2):
        seen = (await read(watch)).thread
    assert seen == await anna.threads.GetThread(GetThreadRequest(id=thread.id))
    assert list(seen.active_models) == ["echo"]

    archived = await anna.threads.UpdateThread(
        UpdateThreadRequest(
            thread=Thread(id=old.id, settings=ThreadSettings(is_archived=True)),
            update_mask=FieldMask(paths=["settings.is_archived"]),
        )
    )
    assert (await read(watch)).thread == archived

    await anna.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
    assert (await read(watch)).deleted_id == thread.id


async def test_it_begins_with_as_many_of_the_newest_as_are_asked_for(anna: Person) -> None:
    created = [await anna.threads.CreateThread(CreateThreadRequest(title=str(number))) for number in range(120)]
    newest = list(reversed(created))
    assert (await begun(anna))[1] == newest[:100]
    assert (await begun(anna, limit=7))[1] == newest[:7]
    assert (await begun(anna, limit=1000))[1] == newest
    for limit in (-1, 1001):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await begun(anna, limit)
        assert refusal.fields == {"limit"}


async def test_everybody_sees_their_own(house: House, anna: Person) -> None:
    bob = await house.person()
    await bob.threads.CreateThread(CreateThreadRequest(title="bob's"))
    watch, threads = await begun(anna)
    assert threads == []
    await bob.threads.CreateThread(CreateThreadRequest(title="bob's too"))
    mine = await anna.threads.CreateThread(CreateThreadRequest(title="mine"))
    assert (await read(watch)).thread == mine


async def test_a_watch_ends_with_its_watchers_account(house: House) -> None:
    eve, bob = await account(house, "eve@example.org"), await account(house, "bob@example.org")
    await eve.threads.CreateThread(CreateThreadRequest())
    (hers, _), (his, _) = await begun(eve), await begun(bob)

    await eve.users.DeleteUser(DeleteUserRequest(id="me"))

    with refused(StatusCode.UNAUTHENTICATED) as refusal:
        while True:
            assert (await read(hers)).deleted_id, "threads may still be told as gone, and nothing else is"
    assert refusal.error.reason == "SIGN_IN_ENDED"
    thread = await bob.threads.CreateThread(CreateThreadRequest())
    assert (await read(his)).thread == thread


async def test_a_server_that_stops_sends_watchers_elsewhere(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        anna = await house.person()
        watch, _ = await begun(anna)
        stopping = asyncio.create_task(house.process.stop())
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await read(watch)
        assert refusal.error.reason == "STOPPING"
        await stopping


async def test_clients_that_leave_leave_no_subscription_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = LossyBus()
    monkeypatch.setattr(opening, "open_bus", lambda url: nullcontext(bus))

    async def watchers() -> int:
        # Who remembers settings is told of them for as long as the house stands.
        return sum(count for channel, count in bus.subscriptions.items() if channel.startswith("changes.threads.user_"))

    async with open_house(tmp_path / "data") as house:
        people = [await house.person() for _ in range(5)]
        watches = [(await begun(person))[0] for person in people]
        assert await watchers() == 5
        for watch in watches[:3]:
            watch.cancel()
        await eventually(watchers, lambda count: count == 2)
        with refused(StatusCode.DEADLINE_EXCEEDED):
            async for _ in people[0].threads.WatchThreads(WatchThreadsRequest(), timeout=0.2):
                pass
        await eventually(watchers, lambda count: count == 2)
        async with house.visit() as visitor:
            await begun(visitor)
        await eventually(watchers, lambda count: count == 2)


async def test_a_watch_of_an_operation_that_is_over_leaves_no_subscription_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = LossyBus()
    monkeypatch.setattr(opening, "open_bus", lambda url: nullcontext(bus))

    async with open_house(tmp_path / "data") as house:
        anna = await house.person()
        thread = await anna.threads.CreateThread(CreateThreadRequest())
        async for _ in anna.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="echo", content="a")):
            pass
        (operation,) = (
            await eventually(
                lambda: anna.operations.ListOperations(ListOperationsRequest()), lambda answer: answer.operations
            )
        ).operations
        async for _ in anna.operations.WatchOperation(WatchOperationRequest(id=operation.id)):
            pass
        assert bus.subscriptions[f"changes.operations.{operation.id}"] == 0
