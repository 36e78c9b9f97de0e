"""What a handler is told of its call, what goes back with the answer, and how long a call may take."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1 import messages_service_pb2 as messages_pb2
from llmchat.threads.v1 import thread_pb2
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2

from libs.common.context import Call, Caller, current_call
from tests.standins.rpc import TOKENS, Metadata, serving, signed_in

GET = threads_pb2.GetThreadRequest(id="thread_1")
STREAM = messages_pb2.StreamTokensRequest(message_id="message_1")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Calls(list[Call]):
    """Answers, and keeps what it was told."""

    async def answer(self, request: Any, call: Call) -> thread_pb2.Thread:
        assert current_call() is call
        self.append(call)
        return thread_pb2.Thread(id=request.id)


async def one_call(metadata: Metadata, seconds: float | None = None) -> tuple[Call, dict[str, Any]]:
    calls = Calls()
    async with serving(calls.answer) as served:
        sent = served.threads.GetThread(GET, metadata=metadata, timeout=seconds)
        await sent
        return calls[0], dict(await sent.trailing_metadata())


async def test_a_handler_knows_its_method_and_its_caller() -> None:
    call, _ = await one_call(signed_in("user_ada", is_admin=True))

    assert call.method == "/llmchat.threads.v1.ThreadsService/GetThread"
    assert call.caller == Caller(user_id="user_ada", is_admin=True)


async def test_the_request_id_and_the_trace_are_the_callers() -> None:
    call, trailers = await one_call(signed_in(more=(("x-request-id", "Gate.way_1-2"), ("traceparent", TRACE))))

    assert (call.request_id, call.traceparent) == ("Gate.way_1-2", TRACE)
    assert "x-request-id" not in trailers


@pytest.mark.parametrize("given", ["", "has space", "x" * 101, "line;break", "<b>"])
async def test_a_request_id_unfit_for_logs_is_replaced(given: str) -> None:
    call, trailers = await one_call(signed_in(more=(("x-request-id", given),)))

    assert call.request_id not in ("", given)
    assert trailers["x-request-id"] == call.request_id


async def test_calls_without_a_request_id_get_different_ones() -> None:
    first, _ = await one_call(signed_in())
    second, _ = await one_call(signed_in())

    assert first.request_id
    assert first.request_id != second.request_id


async def test_a_stream_ends_with_the_request_id_that_it_was_given_and_finds_its_call() -> None:
    seen = []
    request_ids = []

    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        seen.append(current_call() is call)
        request_ids.append(call.request_id)
        yield messages_pb2.StreamEvent(seq=1)

    async with serving(stream=stream) as served:
        sent = served.messages.StreamTokens(STREAM, metadata=signed_in())
        events = [event.seq async for event in sent]
        trailers = dict(await sent.trailing_metadata())

    assert events == [1]
    assert seen == [True]
    assert [trailers["x-request-id"]] == request_ids


async def test_the_clients_deadline_is_the_calls() -> None:
    call, _ = await one_call(signed_in(), seconds=20)

    remaining = call.remaining()
    assert remaining is not None
    # gRPC rounds a timeout up to few digits on the wire.
    assert 10 < remaining < 21


async def test_a_unary_call_without_a_deadline_gets_the_servers_and_is_cancelled_by_it() -> None:
    cancelled = asyncio.Event()

    async def answer(request: Any, call: Call) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(answer, default_deadline=0.05) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(GET, metadata=signed_in())

    assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
    assert cancelled.is_set()


async def test_a_timeout_inside_a_handler_is_its_bug_and_not_the_calls_deadline() -> None:
    async def answer(request: Any, call: Call) -> Any:
        raise TimeoutError

    async with serving(answer) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(GET, metadata=signed_in())

    assert caught.value.code() is StatusCode.INTERNAL


async def test_a_stream_without_a_deadline_outlives_the_servers() -> None:
    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        assert call.deadline is None
        await asyncio.sleep(0.1)
        yield messages_pb2.StreamEvent(seq=1)

    async with serving(stream=stream, default_deadline=0.01) as served:
        assert [event.seq async for event in served.messages.StreamTokens(STREAM, metadata=signed_in())] == [1]


@pytest.mark.parametrize("end", ["client leaves", "deadline passes"])
async def test_a_stream_that_its_client_no_longer_follows_is_closed(end: str) -> None:
    closed = asyncio.Event()

    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        try:
            yield messages_pb2.StreamEvent(seq=1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with serving(stream=stream) as served:
        timeout = 0.1 if end == "deadline passes" else None
        sent = served.messages.StreamTokens(STREAM, metadata=signed_in(), timeout=timeout)
        await sent.read()
        if timeout is None:
            sent.cancel()
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic dTpw", ""])
async def test_a_malformed_or_wrong_authorization_is_unauthenticated(header: str) -> None:
    async with serving() as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(GET, metadata=(("authorization", header),))

    assert caught.value.code() is StatusCode.UNAUTHENTICATED


async def test_nobody_is_asked_for_a_token_and_a_user_is_refused_what_is_for_services() -> None:
    title = threads_pb2.SetGeneratedTitleRequest(id="thread_1", title="A title")
    async with serving() as served:
        with pytest.raises(aio.AioRpcError) as nobody:
            await served.threads.SetGeneratedTitle(title)
        with pytest.raises(aio.AioRpcError) as user:
            await served.threads.SetGeneratedTitle(title, metadata=signed_in())
        token, _ = TOKENS.issue_service("operations", "user_ada", False)
        answer = await served.threads.SetGeneratedTitle(title, metadata=(("authorization", f"Bearer {token}"),))

    assert nobody.value.code() is StatusCode.UNAUTHENTICATED
    assert user.value.code() is StatusCode.PERMISSION_DENIED
    assert answer.user_id == "user_ada"
