"""One service calls another: what goes along, and which errors come back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from google.protobuf.message import Message
from llmchat.messages.v1 import messages_service_pb2 as messages_pb2
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1 import thread_pb2
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common import errors
from libs.common.context import Call, Caller, enter_call
from libs.common.errors import DomainError, FieldViolation
from libs.common.rpc.channels import Channels
from libs.common.rpc.interceptors.deadline import deadline_in
from libs.common.rpc.targets import open_channel
from tests.integration.calling import eventually
from tests.standins.dns import name_server
from tests.standins.rpc import TOKENS, Served, serving, signed_in
from tests.standins.wire import Wire

GET = threads_pb2.GetThreadRequest(id="thread_1")
TITLE = threads_pb2.SetGeneratedTitleRequest(id="thread_1", title="A title")
PULL = messages_pb2.PullModelRequest(model_id="gemma")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# gRPC rounds a timeout up to few digits on the wire.
ROUNDED_UP = 1.05
ADA = Caller(user_id="user_ada", is_admin=True)


@asynccontextmanager
async def channels_to(target: str, default_deadline: float = 10.0, left_to_end: float = 1.0) -> AsyncIterator[Channels]:
    addresses = {"threads": target, "messages": target}
    channels = Channels(addresses, "operations", TOKENS, default_deadline=default_deadline, left_to_end=left_to_end)
    try:
        yield channels
    finally:
        await channels.close()


def replica(
    name: str, *, listen: str = "127.0.0.1:0", connection_age: float | None = None
) -> AbstractAsyncContextManager[Served]:
    """A threads service that takes a moment and answers with its name."""

    async def answer(request: Any, call: Call) -> Message:
        await asyncio.sleep(0.002)
        return thread_pb2.Thread(title=name)

    return serving(answer, listen=listen, connection_age=connection_age)


@asynccontextmanager
async def two_replicas(*, second_host: str = "127.0.0.1") -> AsyncIterator[tuple[Served, Wire, Any]]:
    """The first of two replicas, the wire to it, and a stub that is connected to both."""
    async with (
        replica("first") as first,
        replica("second") as second,
        Wire(port(first)) as wire,
        channels_to(f"127.0.0.1:{wire.port},{second_host}:{port(second)}") as channels,
    ):
        stub = channels.stub("threads", ThreadsServiceStub)
        await eventually(lambda: titles(stub, 4), lambda seen: len(set(seen)) > 1)
        yield first, wire, stub


def port(served: Served) -> int:
    return int(served.target.rpartition(":")[2])


async def titles(stub: Any, calls: int) -> list[str]:
    """The names of the replicas that `calls` calls, one after the other, are answered by; none where one fails."""
    try:
        return [(await stub.SetGeneratedTitle(TITLE)).title for _ in range(calls)]
    except errors.Unavailable:
        return []


@asynccontextmanager
async def calling(stub: Any) -> AsyncIterator[None]:
    """Eight calls under way all the time; leaving fails if any call did."""

    async def call_forever() -> None:
        while True:
            await stub.SetGeneratedTitle(TITLE)

    tasks = [asyncio.create_task(call_forever()) for _ in range(8)]
    yield
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def received(call: Call, default_deadline: float = 10.0) -> Call:
    """What the other service is told of a call made while serving `call`."""
    calls = []

    async def answer(request: Any, call: Call) -> Message:
        calls.append(call)
        return thread_pb2.Thread()

    async with serving(answer) as served, channels_to(served.target, default_deadline) as channels:
        enter_call(call)
        await channels.stub("threads", ThreadsServiceStub).SetGeneratedTitle(TITLE)
    return calls[0]


async def raised(error: Exception) -> DomainError:
    """What a caller meets when the other service raises `error`."""

    async def answer(request: Any, call: Call) -> Message:
        raise error

    async with serving(answer) as served, channels_to(served.target) as channels:
        enter_call(Call(caller=ADA))
        with pytest.raises(DomainError) as caught:
            await channels.stub("threads", ThreadsServiceStub).SetGeneratedTitle(TITLE)
    return caught.value


async def test_a_call_is_the_services_own_for_the_user_it_serves() -> None:
    call = await received(Call(caller=ADA, request_id="call-7", traceparent=TRACE))

    assert call.caller == Caller(user_id="user_ada", service="operations", is_admin=True)
    assert (call.request_id, call.traceparent) == ("call-7", TRACE)


async def test_a_call_in_nobodys_name_is_the_services_alone() -> None:
    call = await received(Call())

    assert call.caller == Caller(service="operations")
    assert call.request_id


async def test_the_remaining_deadline_goes_along() -> None:
    remaining = (await received(Call(deadline=deadline_in(20)))).remaining()

    assert remaining is not None
    assert 10 < remaining < 20 * ROUNDED_UP


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    remaining = (await received(Call(), default_deadline=50)).remaining()

    assert remaining is not None
    assert 30 < remaining < 50 * ROUNDED_UP


async def test_a_deadline_that_has_passed_ends_the_call() -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await received(Call(deadline=deadline_in(0)))


async def test_who_is_cancelled_hears_of_it_at_once_and_the_call_ends_by_itself() -> None:
    asked, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(request: Any, call: Call) -> Message:
        if not asked.is_set():
            asked.set()
            await left.wait()
            ended.set()
        return thread_pb2.Thread()

    async with serving(answer) as served, channels_to(served.target, left_to_end=60) as channels:
        stub = channels.stub("threads", ThreadsServiceStub)
        asking = asyncio.ensure_future(stub.SetGeneratedTitle(TITLE))
        await asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        # A cancellation would be there before what is asked next over the same connection.
        await stub.SetGeneratedTitle(TITLE)
        left.set()

        await asyncio.wait_for(ended.wait(), 10)


async def test_what_takes_longer_is_cancelled_with_its_caller() -> None:
    asked, cut = asyncio.Event(), asyncio.Event()

    async def never(request: Any, call: Call) -> Message:
        asked.set()
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value] # cancelled before it is set
        finally:
            cut.set()

    async with serving(never) as served, channels_to(served.target, default_deadline=1000, left_to_end=0.1) as channels:
        asking = asyncio.ensure_future(channels.stub("threads", ThreadsServiceStub).SetGeneratedTitle(TITLE))
        await asked.wait()
        asking.cancel()

        await asyncio.wait_for(cut.wait(), 10)


async def test_closing_ends_what_is_under_way() -> None:
    asked = asyncio.Event()

    async def never(request: Any, call: Call) -> Message:
        asked.set()
        return await asyncio.Event().wait()  # type: ignore[return-value] # cancelled before it is set

    async with serving(never) as served, asyncio.timeout(10):
        async with channels_to(served.target, default_deadline=1000) as channels:
            asking = asyncio.ensure_future(channels.stub("threads", ThreadsServiceStub).SetGeneratedTitle(TITLE))
            await asked.wait()

        with pytest.raises((errors.DomainError, asyncio.CancelledError)):
            await asking


async def test_the_token_of_a_caller_is_signed_once_until_it_nears_its_end() -> None:
    now = 1_000_000
    signed = []

    class Counting:
        def issue_service(self, service: str, user_id: str, is_admin: bool) -> tuple[str, int]:
            signed.append((service, user_id))
            return f"token {len(signed)}", now + 300_000

    channels = Channels({}, "operations", Counting(), clock=lambda: now)

    def shown() -> str:
        with channels.terms("/service/Method", Call(caller=ADA)) as metadata:
            return dict(metadata)["authorization"]

    first = [shown() for _ in range(2)]
    now += 250_000

    assert (first, shown()) == (["Bearer token 1"] * 2, "Bearer token 2")
    assert signed == [("operations", "user_ada")] * 2


@pytest.mark.parametrize(
    "error",
    [
        errors.Invalid("title: too long", [FieldViolation("title", "too long")]),
        errors.Invalid("beyond the end", reason="OUT_OF_RANGE"),
        errors.NotFound("thread", "thread_1"),
        errors.AlreadyExists("taken", reason="USERNAME_TAKEN"),
        errors.Stale("moved"),
        errors.Contended("busy"),
        errors.Precondition("not now", reason="BUSY"),
        errors.Unauthenticated("who?", reason="TOKEN_EXPIRED"),
        errors.Denied("no"),
        errors.Exhausted("full", retry_after=2.5),
        errors.Unavailable("stopping", reason="STOPPING", retry_after=0.5),
        errors.DeadlineExceeded("late"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_domain_error_comes_back_as_it_was_raised(error: DomainError) -> None:
    seen = await raised(error)

    assert type(seen) is type(error)
    assert vars(seen) == vars(error)


async def test_another_services_bug_is_no_domain_error_that_a_client_could_take_for_its_own() -> None:
    seen = await raised(ValueError("the inner workings"))

    assert type(seen) is DomainError
    assert "the inner workings" not in seen.text


async def test_a_service_that_is_not_there_is_unavailable_and_its_address_is_not_told() -> None:
    async with serving() as served:
        target = served.target
    async with channels_to(target) as channels:
        with pytest.raises(errors.Unavailable) as caught:
            await channels.stub("threads", ThreadsServiceStub).GetThread(GET)

    assert caught.value.text == "a service cannot be reached"


async def test_a_service_without_an_address_is_refused_and_the_setting_is_named() -> None:
    async with channels_to("127.0.0.1:1") as channels:
        with pytest.raises(errors.Precondition, match="LLMCHAT_USERS_ADDRESS"):
            channels.stub("users", ThreadsServiceStub)


async def test_calls_go_round_the_replicas_whatever_family_their_addresses_are_of() -> None:
    async with two_replicas(second_host="[::ffff:127.0.0.1]") as (_, _, stub):
        answered = await titles(stub, 4)

    assert sorted(answered) == ["first", "first", "second", "second"]


async def test_a_replica_that_stops_is_left_before_it_refuses() -> None:
    left = asyncio.Event()

    async def wait_until_left() -> None:
        await left.wait()

    async with two_replicas() as (first, _, stub):
        first.server.on_stopping.append(wait_until_left)
        async with calling(stub):
            stopping = asyncio.create_task(first.server.stop(grace=5))
            await eventually(lambda: titles(stub, 4), lambda seen: set(seen) == {"second"})
            left.set()
            await stopping


async def test_a_replica_whose_connection_breaks_in_the_middle_of_calls_is_felt_by_none() -> None:
    async with two_replicas() as (_, wire, stub), calling(stub):
        for _ in range(3):
            await eventually(lambda: titles(stub, 4), lambda seen: "first" in seen)
            wire.cut()


async def test_a_call_over_a_connection_on_which_nothing_goes_any_more_is_repeated() -> None:
    impatient = [
        ("grpc.keepalive_time_ms", 500),
        ("grpc.keepalive_timeout_ms", 500),
        ("grpc.http2.ping_timeout_ms", 500),
    ]
    async with (
        replica("first") as first,
        replica("second") as second,
        Wire(port(first)) as wire,
        open_channel(f"127.0.0.1:{wire.port},{second.target}", "threads", options=impatient) as channel,
    ):
        stub = ThreadsServiceStub(channel)

        async def answered() -> str:
            return (await stub.GetThread(GET, metadata=signed_in(), timeout=20)).title

        await eventually(answered, lambda name: name == "first")
        wire.hold()

        assert "second" in await asyncio.gather(*(answered() for _ in range(4)))


async def test_a_replica_that_comes_back_is_called_again() -> None:
    async with two_replicas() as (first, _, stub):
        await first.server.stop(grace=0)
        await eventually(lambda: titles(stub, 4), lambda seen: set(seen) == {"second"})

        async with replica("back", listen=first.target):
            await eventually(lambda: titles(stub, 4), lambda seen: "back" in seen)


async def test_a_new_replica_behind_a_name_is_found_when_a_connection_is_renewed() -> None:
    async with name_server("127.0.0.1") as names, replica("first", connection_age=0.3) as first:
        target = f"dns://127.0.0.1:{names.port}/threads.llmchat:{port(first)}"
        async with open_channel(
            target, "threads", options=[("grpc.dns_min_time_between_resolutions_ms", 100)]
        ) as channel:
            stub = ThreadsServiceStub(channel)

            async def answered() -> str:
                return (await stub.GetThread(GET, metadata=signed_in())).title

            assert await answered() == "first"
            async with replica("second", listen=f"127.0.0.2:{port(first)}"):
                names.addresses.append("127.0.0.2")
                await eventually(answered, lambda name: name == "second")


async def test_a_stream_is_followed_and_its_error_is_the_domains() -> None:
    async def stream(request: Any, call: Call) -> AsyncGenerator[Message, None]:
        yield messages_pb2.PullModelResponse(progress=1)
        raise errors.NotFound("model", "gemma")

    async with serving(stream=stream) as served, channels_to(served.target) as channels:
        enter_call(Call(caller=ADA))
        events = channels.stub("messages", MessagesServiceStub).PullModel(PULL)
        first = await anext(aiter(events))
        with pytest.raises(errors.NotFound, match="gemma"):
            await anext(aiter(events))

    assert first.progress == 1


async def test_no_service_sends_a_stream_to_another() -> None:
    async with serving() as served, channels_to(served.target) as channels:
        with pytest.raises(TypeError, match="AppendTokens takes a stream"):
            channels.stub("messages", MessagesServiceStub).AppendTokens(iter([]))
