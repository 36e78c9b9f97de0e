"""How much a person may ask and have, and what they hear who want more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc import StatusCode, aio
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    ListThreadsRequest,
    WatchThreadsRequest,
)
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.users_service_pb2 import CreateAccessKeyRequest

from libs.common.access.counts import InProcessCounts
from libs.common.access.limits import CountedLimits
from libs.common.errors import Exhausted, Invalid
from tests.integration.accounts import account, program
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, watch
from tests.standins.rpc import detail, serving, signed_in

LIST = ListThreadsRequest()


@pytest.fixture(autouse=True)
def quick_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """An echo model that answers as fast as it can."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")


def limited(
    tmp_path: Path, *, settings: dict[str, Any] | None = None, **limits: int
) -> AbstractAsyncContextManager[House]:
    """A house with these limits and no others."""
    none = {field.name: 0 for field in SystemLimits.DESCRIPTOR.fields}
    return open_house(tmp_path / "data", limits=json.dumps(none | limits), **settings or {})


async def send(person: Person, thread_id: str, content: str = "?", request_id: str = "") -> Seen:
    request = SendMessageRequest(thread_id=thread_id, model_id="echo", content=content, request_id=request_id)
    return await watch(person.messages.SendMessage(request))


# Calls


async def test_who_calls_too_often_hears_when_to_call_again(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=3, requests_per_hour=100) as house:
        anna, ben = await house.person(), await house.person()
        for _ in range(3):
            await anna.threads.ListThreads(LIST)

        for _ in range(2):
            with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
                await anna.threads.ListThreads(LIST)
            assert isinstance(refusal.error, Exhausted)
            assert refusal.error.reason == "RATE_LIMITED"
            assert refusal.error.retry_after
            assert 0 < refusal.error.retry_after <= 60
        assert await ben.threads.ListThreads(LIST) is not None, "each person has calls of their own"


async def test_there_is_room_again_when_the_window_has_ended() -> None:
    limits = CountedLimits(SystemLimits(requests_per_minute=2), InProcessCounts(minute=0.3))
    get, metadata = GetThreadRequest(id="thread_1"), signed_in()
    async with serving(limits=limits) as served:
        _, error = await until_refused(lambda: served.threads.GetThread(get, metadata=metadata))
        retry = detail(error, RetryInfo)
        assert retry is not None
        await asyncio.sleep(retry.retry_delay.ToNanoseconds() / 1e9)

        assert await served.threads.GetThread(get, metadata=metadata)


async def test_a_refusal_comes_before_anything_else_is_looked_at(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=1) as house:
        anna = await house.person()
        with refused(StatusCode.INVALID_ARGUMENT):
            await anna.threads.GetThread(GetThreadRequest(id=""))
        with refused(StatusCode.RESOURCE_EXHAUSTED):
            await anna.threads.GetThread(GetThreadRequest(id=""))


async def test_what_comes_by_access_keys_counts_for_their_owner(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=4) as house:
        ada = await account(house)
        made = [await ada.users.CreateAccessKey(CreateAccessKeyRequest(name=name, permissions=["*"])) for name in "ab"]
        async with program(house.address, made[0]) as one, program(house.address, made[1]) as other:
            await one.threads.ListThreads(LIST)
            await other.threads.ListThreads(LIST)
            for person in (one, other, ada):
                with refused(StatusCode.RESOURCE_EXHAUSTED):
                    await person.threads.ListThreads(LIST)


async def test_what_services_ask_of_each_other_for_a_person_is_not_counted(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=2) as house:
        anna = await house.person()
        thread = await anna.threads.CreateThread(CreateThreadRequest())

        # Of its own, this asks threads, the catalog and users.
        assert (await send(anna, thread.id)).ended


async def test_those_who_are_not_signed_in_are_counted_by_their_address(tmp_path: Path) -> None:
    async with (
        limited(tmp_path, settings={"trusted_proxies": 1}, requests_per_minute=1) as house,
        aio.insecure_channel(house.address) as channel,
    ):
        threads = ThreadsServiceStub(channel)

        async def code_at(address: str) -> StatusCode:
            with pytest.raises(aio.AioRpcError) as caught:
                await threads.ListThreads(LIST, metadata=(("x-forwarded-for", f"198.51.100.7, {address}"),))
            return caught.value.code()

        assert await code_at("192.0.2.1") is StatusCode.UNAUTHENTICATED
        assert await code_at("192.0.2.1") is StatusCode.RESOURCE_EXHAUSTED
        assert await code_at("192.0.2.2") is StatusCode.UNAUTHENTICATED


async def test_replicas_count_together(redis_url: str, tmp_path: Path) -> None:
    async with replicas(redis_url, tmp_path, requests_per_minute=50) as houses:

        async def calls_at_the_second() -> int:
            async with both(houses) as (here, there):
                await until_refused(lambda: here.threads.ListThreads(LIST))
                calls, error = await until_refused(lambda: there.threads.ListThreads(LIST))
                assert detail(error, RetryInfo) is not None
                return calls

        # None, if Redis is quick. While it is not, each counts for itself: then with another person.
        assert await eventually(calls_at_the_second, lambda calls: calls < 10, within=60) < 10


# Streams


async def test_a_person_has_so_many_streams_open_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path, max_open_streams=2) as house:
        anna, ben = await house.person(), await house.person()
        first, _ = [await opened(anna) for _ in range(2)]

        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            await opened(anna)
        assert isinstance(refusal.error, Exhausted)
        assert refusal.error.reason == "TOO_MANY_STREAMS"
        assert refusal.error.retry_after
        await opened(ben)

        first.cancel()
        assert await eventually(lambda: opens(anna), bool)


async def test_replicas_count_streams_together(redis_url: str, tmp_path: Path) -> None:
    async with replicas(redis_url, tmp_path, max_open_streams=2) as houses, both(houses) as (here, there):
        first = await opened(here)
        await opened(there)

        # At the first look, if Redis is quick; else when it is told what has been opened meanwhile.
        assert not await eventually(lambda: opens(here), lambda it_opens: not it_opens, within=30)
        assert not await eventually(lambda: opens(there), lambda it_opens: not it_opens, within=30)
        first.cancel()
        assert await eventually(lambda: opens(there), bool)


# What a person has


async def test_a_person_has_so_many_threads_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path, max_threads_per_user=2) as house:
        anna, ben = await house.person(), await house.person()
        first = await anna.threads.CreateThread(CreateThreadRequest(title="first"))
        last = CreateThreadRequest(title="last", request_id="once")
        made = await anna.threads.CreateThread(last)

        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            await anna.threads.CreateThread(CreateThreadRequest())
        assert refusal.error.reason == "TOO_MANY_THREADS"
        assert await anna.threads.CreateThread(last) == made, "a repeat gets its first answer"
        assert await ben.threads.CreateThread(CreateThreadRequest())

        await anna.threads.DeleteThread(DeleteThreadRequest(id=first.id))
        assert await anna.threads.CreateThread(CreateThreadRequest())


async def test_a_thread_has_so_many_messages_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path, max_messages_per_thread=5) as house:
        anna = await house.person()
        thread, other = [await anna.threads.CreateThread(CreateThreadRequest()) for _ in range(2)]
        await send(anna, thread.id)
        second = await send(anna, thread.id, request_id="once")

        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            # A question and its answer would be the fifth and the sixth.
            await send(anna, thread.id)
        assert refusal.error.reason == "TOO_MANY_MESSAGES"
        assert (await send(anna, thread.id, request_id="once")).message_id == second.message_id
        assert (await send(anna, other.id)).ended


async def test_a_question_has_so_many_tokens_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path, max_tokens_per_message=10) as house:
        anna = await house.person()
        thread = await anna.threads.CreateThread(CreateThreadRequest())

        assert (await send(anna, thread.id, "a" * 40)).ended
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await send(anna, thread.id, "a" * 41)
        assert refusal.error.reason == "MESSAGE_TOO_LONG"
        assert isinstance(refusal.error, Invalid)
        assert refusal.fields == {"content"}


@asynccontextmanager
async def replicas(redis_url: str, tmp_path: Path, **limits: int) -> AsyncIterator[tuple[House, House]]:
    """Two processes with these limits on the same documents."""
    shared = {"bus_url": redis_url}
    async with limited(tmp_path, settings=shared, **limits) as one, limited(tmp_path, settings=shared, **limits) as two:
        yield one, two


@asynccontextmanager
async def both(houses: tuple[House, House]) -> AsyncIterator[tuple[Person, Person]]:
    """Somebody with a connection to each."""
    async with houses[0].visit() as here, houses[1].visit(here.user_id) as there:
        yield here, there


async def until_refused(call: Callable[[], Awaitable[object]]) -> tuple[int, aio.AioRpcError]:
    """How many calls pass, and how the next one is refused for being one too many."""
    passed = 0
    while True:
        try:
            await call()
        except aio.AioRpcError as error:
            if error.code() is not StatusCode.RESOURCE_EXHAUSTED:
                raise
            return passed, error
        passed += 1


async def opened(person: Person) -> aio.UnaryStreamCall[Any, Any]:
    """A stream that is open until it is cancelled."""
    stream = person.threads.WatchThreads(WatchThreadsRequest())
    assert await stream.read() is not aio.EOF
    return stream


async def opens(person: Person) -> bool:
    """Whether a stream opens; it is closed again."""
    try:
        (await opened(person)).cancel()
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    return True
