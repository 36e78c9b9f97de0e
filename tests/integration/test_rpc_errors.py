"""What a client sees of a call that fails: a clear status with details, and nothing of what went wrong inside."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc import StatusCode, aio
from llmchat.messages.v1 import messages_service_pb2 as messages_pb2
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2

from libs.common import errors
from libs.common.context import Call
from libs.common.errors import DomainError, FieldViolation
from tests.standins.rpc import detail, serving, signed_in, trailers

GET = threads_pb2.GetThreadRequest(id="thread_1")
STREAM = messages_pb2.StreamTokensRequest(message_id="message_1")
SECRET = "the inner workings"


async def fail_with(error: BaseException, metadata: tuple[tuple[str, str], ...] | None = None) -> aio.AioRpcError:
    async def answer(request: Any, call: Call) -> Any:
        raise error

    async with serving(answer) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(GET, metadata=metadata or signed_in(), timeout=10)
    return caught.value


async def stream_then_fail(error: BaseException) -> tuple[list[int], aio.AioRpcError]:
    async def stream(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
        yield messages_pb2.StreamEvent(seq=1)
        raise error

    async with serving(stream=stream) as served:
        events = served.messages.StreamTokens(STREAM, metadata=signed_in(), timeout=10)
        seen = [(await anext(aiter(events))).seq]
        with pytest.raises(aio.AioRpcError) as caught:
            await anext(aiter(events))
    return seen, caught.value


async def send_bytes(path: str, body: bytes) -> aio.AioRpcError:
    async with serving() as served:
        send: aio.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary(path)
        with pytest.raises(aio.AioRpcError) as caught:
            await send(body, metadata=signed_in())
    return caught.value


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (errors.Invalid("no"), StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
        (errors.Invalid("no", reason="OUT_OF_RANGE"), StatusCode.OUT_OF_RANGE, "OUT_OF_RANGE"),
        (errors.NotFound("thread", "t1"), StatusCode.NOT_FOUND, "NOT_FOUND"),
        (errors.AlreadyExists("taken", reason="USERNAME_TAKEN"), StatusCode.ALREADY_EXISTS, "USERNAME_TAKEN"),
        (errors.Stale("moved"), StatusCode.ABORTED, "STALE_ETAG"),
        (errors.Contended("busy"), StatusCode.ABORTED, "CONTENDED"),
        (errors.Conflict("threads", "t1"), StatusCode.ABORTED, "CONFLICT"),
        (errors.Precondition("not now"), StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION"),
        (errors.Unauthenticated("who?"), StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (errors.Denied("no"), StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (errors.Exhausted("full"), StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"),
        (errors.Unavailable("down"), StatusCode.UNAVAILABLE, "UNAVAILABLE"),
        (errors.DeadlineExceeded("late"), StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, DomainError) else "",
)
async def test_every_domain_error_has_its_code_its_text_and_its_reason(
    error: DomainError, code: StatusCode, reason: str
) -> None:
    seen = await fail_with(error)

    assert seen.code() is code
    assert seen.details() == error.text
    assert detail(seen, ErrorInfo) == ErrorInfo(reason=reason, domain="llmchat", metadata=error.metadata)


async def test_waiting_that_helps_is_told() -> None:
    seen = await fail_with(errors.Exhausted("too many calls", retry_after=2.5))

    retry = detail(seen, RetryInfo)
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() == 2500


async def test_waiting_that_does_not_help_is_not_told() -> None:
    assert detail(await fail_with(errors.Exhausted("no more threads")), RetryInfo) is None


async def test_a_bug_is_internal_tells_nothing_and_is_logged_with_the_request_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        seen = await fail_with(ValueError(SECRET), signed_in(more=(("x-request-id", "call-7"),)))

    assert seen.code() is StatusCode.INTERNAL
    assert SECRET not in repr((seen.details(), trailers(seen)))
    assert detail(seen, ErrorInfo) == ErrorInfo(reason="INTERNAL", domain="llmchat")
    record = next(record for record in caplog.records if record.exc_info)
    assert record.__dict__["request_id"] == "call-7"
    assert SECRET in caplog.text


async def test_an_answer_of_the_wrong_kind_is_a_bug_and_not_unknown() -> None:
    async def answer(request: Any, call: Call) -> Any:
        return SECRET

    async with serving(answer) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.GetThread(GET, metadata=signed_in())

    assert caught.value.code() is StatusCode.INTERNAL


async def test_an_error_after_the_first_streamed_message_keeps_its_code() -> None:
    seen, error = await stream_then_fail(errors.NotFound("message", "message_1"))

    assert seen == [1]
    assert error.code() is StatusCode.NOT_FOUND
    assert detail(error, ErrorInfo) is not None


async def test_a_bug_after_the_first_streamed_message_leaks_nothing() -> None:
    seen, error = await stream_then_fail(ValueError(SECRET))

    assert seen == [1]
    assert error.code() is StatusCode.INTERNAL
    assert SECRET not in repr((error.details(), trailers(error)))


async def test_a_leaked_cancellation_ends_a_unary_call() -> None:
    seen = await fail_with(asyncio.CancelledError())

    assert seen.code() is StatusCode.CANCELLED


async def test_a_leaked_cancellation_ends_a_stream() -> None:
    _, error = await stream_then_fail(asyncio.CancelledError())

    assert error.code() is StatusCode.CANCELLED


async def test_every_broken_field_rule_is_told_at_once() -> None:
    request = threads_pb2.UpdateThreadRequest()
    request.thread.title = "t" * 201
    request.thread.settings.tags.extend(["fine", "g" * 31])
    request.thread.models["gpt-5.1"].last_temperature = 9

    async with serving() as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.threads.UpdateThread(request, metadata=signed_in())

    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    bad = detail(caught.value, BadRequest)
    assert bad is not None
    assert {violation.field for violation in bad.field_violations} == {
        "thread.title",
        "thread.settings.tags[1]",
        'thread.models["gpt-5.1"].last_temperature',
        "update_mask",
    }
    assert all(violation.description for violation in bad.field_violations)


async def test_more_violations_than_a_client_accepts_are_cut_and_counted() -> None:
    many = [FieldViolation(f"thread.models[{'é' * 300}].field_{n}", "🙂" * 300) for n in range(500)]

    seen = await fail_with(errors.Invalid("🙂" * 5000, many))

    assert seen.code() is StatusCode.INVALID_ARGUMENT
    info, bad = detail(seen, ErrorInfo), detail(seen, BadRequest)
    assert info is not None
    assert bad is not None
    assert bad.field_violations
    assert len(bad.field_violations) + int(info.metadata["violations_left_off"]) == 500


async def test_bytes_that_are_no_message_are_the_callers_error() -> None:
    caught = await send_bytes("/llmchat.threads.v1.ThreadsService/GetThread", b"\xff\xff")

    assert caught.code() is StatusCode.INVALID_ARGUMENT
    assert detail(caught, ErrorInfo) == ErrorInfo(reason="MALFORMED_REQUEST", domain="llmchat")


async def test_a_method_that_nobody_serves_is_unimplemented() -> None:
    caught = await send_bytes("/llmchat.threads.v1.ThreadsService/Nothing", b"")

    assert caught.code() is StatusCode.UNIMPLEMENTED
