"""Operations, as their owner sees them: by the one that nobody asks for, a title after a thread's first answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from grpc import StatusCode, aio
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_STATUS_PENDING,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WatchOperationRequest,
)
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest

from libs.common.context import Caller
from libs.common.errors import Exhausted, NotFound, Precondition
from libs.common.events.bus import Delivery
from libs.common.events.outbox import event_channel
from libs.common.events.subscription import subscribed
from tests.integration.calling import eventually, refused
from tests.integration.operating import ENDED, House, StandInMessages, running

T = TypeVar("T")


@pytest.fixture
def messages() -> StandInMessages:
    return StandInMessages()


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_OPERATION_INTERVAL", "0.05")
    monkeypatch.setenv("LLMCHAT_OPERATION_RETRY_DELAY", "0.02")
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")


@pytest.fixture
async def house(tmp_path: Path, messages: StandInMessages) -> AsyncIterator[House]:
    async with running(tmp_path, messages) as house:
        yield house


class TestLife:
    async def test_a_first_answer_brings_the_thread_its_title(self, house: House) -> None:
        thread = await house.answered_thread()
        operation = await house.operation(thread, *ENDED)
        assert operation.status == OPERATION_STATUS_COMPLETED
        assert (operation.type, operation.user_id) == (OPERATION_TYPE_GENERATE_TITLE, "alice")
        assert (operation.result.title, operation.result.tokens_used) == ("Lisbon by tram", 9)
        assert (operation.result.model_used, operation.progress) == ("echo", 100)
        assert operation.HasField("started_at")
        assert operation.HasField("completed_at")
        assert not operation.HasField("error")
        assert await house.title(thread) == "Lisbon by tram"
        assert house.messages.asked == [Caller(user_id="alice", service="operations")]

    async def test_a_title_is_sought_once_however_often_it_is_asked_for(self, house: House) -> None:
        house.messages.may_answer.clear()
        async with subscribed(house.process.bus, event_channel("thread.title_wanted")) as events:
            thread = await house.answered_thread()
            asking = await anext(events)
            assert isinstance(asking, Delivery)
        await house.operation(thread, OPERATION_STATUS_RUNNING)
        house.process.bus.publish(asking.channel, asking.payload)
        await house.messages.finish(thread)
        house.messages.may_answer.set()
        await house.operation(thread, *ENDED)
        answer = await house.alice.ListOperations(ListOperationsRequest(count_total=True))
        assert answer.total_size == 1
        assert len(house.messages.asked) == 1

    async def test_lists_go_newest_first_by_thread_or_all(self, house: House) -> None:
        threads = []
        for _ in range(3):
            threads.append(await house.answered_thread())
            await house.operation(threads[-1])
        first = await house.alice.ListOperations(ListOperationsRequest(page_size=2))
        rest = await house.alice.ListOperations(ListOperationsRequest(page_size=2, page_token=first.next_page_token))
        seen = [operation.thread_id for operation in (*first.operations, *rest.operations)]
        assert seen == [thread.id for thread in reversed(threads)]

        one = await house.alice.ListOperations(ListOperationsRequest(thread_id=threads[1].id, count_total=True))
        assert ([operation.thread_id for operation in one.operations], one.total_size) == ([threads[1].id], 1)

        for request in (
            ListOperationsRequest(page_size=2, page_token=first.next_page_token, thread_id=threads[0].id),
            ListOperationsRequest(page_size=2, page_token=first.next_page_token[:-2]),
        ):
            with refused(StatusCode.INVALID_ARGUMENT):
                await house.alice.ListOperations(request)

    async def test_another_users_operation_is_not_found_by_any_rpc(self, house: House) -> None:
        id = (await house.operation(await house.answered_thread())).id
        with refused(StatusCode.NOT_FOUND) as absent:
            await house.bob.GetOperation(GetOperationRequest(id=f"{id}x"))
        for call, request in (
            (house.bob.GetOperation, GetOperationRequest(id=id)),
            (house.bob.CancelOperation, CancelOperationRequest(id=id)),
            (house.bob.WatchOperation, WatchOperationRequest(id=id)),
        ):
            with refused(StatusCode.NOT_FOUND) as refusal:
                answer = call(request)
                await (answer.read() if isinstance(answer, aio.UnaryStreamCall) else answer)
            assert refusal.error.text == absent.error.text.replace(f"{id}x", id)
        assert not (await house.bob.ListOperations(ListOperationsRequest())).operations


class TestFailures:
    async def test_what_may_pass_is_tried_again(self, house: House) -> None:
        house.messages.failures = [Exhausted("too many requests"), Exhausted("too many requests")]
        operation = await house.operation(await house.answered_thread(), *ENDED)
        assert operation.status == OPERATION_STATUS_COMPLETED
        assert not operation.HasField("error")
        assert len(house.messages.asked) == 3

    async def test_while_it_waits_it_tells_why_and_until_when(self, house: House) -> None:
        house.messages.failures = [Exhausted("too many requests", retry_after=20)]
        operation = await house.operation(await house.answered_thread(), OPERATION_STATUS_PENDING)
        operation = await eventually(
            lambda: house.alice.GetOperation(GetOperationRequest(id=operation.id)),
            lambda operation: operation.error.retry_count,
        )
        assert operation.status == OPERATION_STATUS_PENDING
        assert (operation.error.code, operation.error.message) == ("RESOURCE_EXHAUSTED", "too many requests")
        waits = operation.error.next_retry_at.ToMilliseconds() - operation.updated_at.ToMilliseconds()
        assert waits == 20_000, "as long as the one that refused asks for"

    async def test_after_the_last_retry_it_has_failed(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, messages: StandInMessages
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPERATION_RETRIES", "2")
        messages.failures = [Exhausted("too many requests")] * 3
        async with running(tmp_path, messages) as house:
            thread = await house.answered_thread()
            operation = await house.operation(thread, *ENDED)
            assert operation.status == OPERATION_STATUS_FAILED
            assert (operation.error.code, operation.error.retry_count) == ("RESOURCE_EXHAUSTED", 2)
            assert not operation.error.HasField("next_retry_at")
            assert await house.title(thread) == "New conversation"

    async def test_its_time_is_limited(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, messages: StandInMessages
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPERATION_TIMEOUT", "0.3")
        messages.may_answer.clear()
        async with running(tmp_path, messages) as house:
            operation = await house.operation(await house.answered_thread(), *ENDED)
            assert operation.status == OPERATION_STATUS_FAILED
            assert operation.error.code == "DEADLINE_EXCEEDED"
            assert operation.timeout_at.ToMilliseconds() - operation.started_at.ToMilliseconds() == 300

    @pytest.mark.parametrize(
        ("failure", "code"),
        [(Precondition("the model is off", reason="MODEL_OFF"), "MODEL_OFF"), (RuntimeError("a bug"), "INTERNAL")],
    )
    async def test_what_will_not_pass_ends_it_at_once(self, house: House, failure: Exception, code: str) -> None:
        house.messages.failures = [failure]
        operation = await house.operation(await house.answered_thread(), *ENDED)
        assert (operation.status, operation.error.code) == (OPERATION_STATUS_FAILED, code)
        assert len(house.messages.asked) == 1

    async def test_an_operation_whose_thread_is_gone_is_cancelled(self, house: House) -> None:
        thread: Thread = await house.threads.CreateThread(CreateThreadRequest())
        house.messages.failures = [NotFound("thread", thread.id)]
        await house.messages.finish(thread)

        async def ended() -> list[Operation]:
            found = (await house.alice.ListOperations(ListOperationsRequest())).operations
            return [operation for operation in found if operation.status in ENDED]

        (operation,) = await eventually(ended, len)
        assert (operation.status, operation.thread_id) == (OPERATION_STATUS_CANCELLED, "")


class TestCancel:
    async def test_a_running_operation_is_stopped(self, house: House) -> None:
        house.messages.may_answer.clear()
        thread = await house.answered_thread()
        operation = await house.operation(thread, OPERATION_STATUS_RUNNING)
        await eventually(lambda: _now(house.messages.asked), len)

        request = CancelOperationRequest(id=operation.id, request_id="cancel-1")
        cancelled = await house.alice.CancelOperation(request)
        assert cancelled.status == OPERATION_STATUS_CANCELLED
        assert cancelled.HasField("completed_at")
        await eventually(lambda: _now(house.messages.cut_off), lambda count: count == 1)

        assert await house.alice.CancelOperation(request) == cancelled
        assert await house.alice.CancelOperation(CancelOperationRequest(id=operation.id)) == cancelled
        house.messages.may_answer.set()
        following = await house.operation(await house.answered_thread(), *ENDED)
        assert following.status == OPERATION_STATUS_COMPLETED, "the worker goes on"
        assert await house.alice.GetOperation(GetOperationRequest(id=operation.id)) == cancelled
        assert await house.title(thread) == "New conversation"

    async def test_one_that_has_ended_stays_as_it_is(self, house: House) -> None:
        operation = await house.operation(await house.answered_thread(), *ENDED)
        assert await house.alice.CancelOperation(CancelOperationRequest(id=operation.id)) == operation

    async def test_a_deleted_thread_cancels_its_operation_which_stays_for_audit(self, house: House) -> None:
        house.messages.may_answer.clear()
        thread = await house.answered_thread()
        operation = await house.operation(thread, OPERATION_STATUS_RUNNING)
        await eventually(lambda: _now(house.messages.asked), len)
        await house.threads.DeleteThread(DeleteThreadRequest(id=thread.id))

        released = await eventually(
            lambda: house.alice.GetOperation(GetOperationRequest(id=operation.id)),
            lambda operation: not operation.thread_id,
        )
        assert released.status == OPERATION_STATUS_CANCELLED
        await eventually(lambda: _now(house.messages.cut_off), lambda count: count == 1)
        answer = await house.alice.ListOperations(ListOperationsRequest())
        assert list(answer.operations) == [released]


class TestWatch:
    async def test_every_watcher_sees_every_change_and_the_end(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, messages: StandInMessages
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPERATION_CONCURRENCY", "1")
        messages.may_answer.clear()
        async with running(tmp_path, messages) as house:
            busy = await house.operation(await house.answered_thread(), OPERATION_STATUS_RUNNING)
            waiting = await house.operation(await house.answered_thread(), OPERATION_STATUS_PENDING)
            watchers = [aiter(house.alice.WatchOperation(WatchOperationRequest(id=waiting.id))) for _ in range(5)]
            seen = [[await anext(watcher)] for watcher in watchers]
            assert all(operations == [waiting] for operations in seen)

            leaver = house.alice.WatchOperation(WatchOperationRequest(id=busy.id))
            await leaver.read()
            leaver.cancel()
            messages.may_answer.set()

            for watcher, operations in zip(watchers, seen, strict=True):
                operations.extend([operation async for operation in watcher])
            for operations in seen:
                assert [(operation.status, operation.progress) for operation in operations] == [
                    (OPERATION_STATUS_PENDING, 0),
                    (OPERATION_STATUS_RUNNING, 0),
                    (OPERATION_STATUS_RUNNING, 50),
                    (OPERATION_STATUS_COMPLETED, 100),
                ]
            left_alone = await house.alice.GetOperation(GetOperationRequest(id=busy.id))
            assert left_alone.status == OPERATION_STATUS_COMPLETED, "a watcher who leaves cancels nothing"

    async def test_a_watch_of_what_has_ended_gives_its_end_and_closes(self, house: House) -> None:
        operation = await house.operation(await house.answered_thread(), *ENDED)
        watch = house.alice.WatchOperation(WatchOperationRequest(id=operation.id))
        assert [operation async for operation in watch] == [operation]

    async def test_a_server_that_stops_sends_watchers_elsewhere(
        self, tmp_path: Path, messages: StandInMessages
    ) -> None:
        messages.may_answer.clear()
        async with running(tmp_path, messages) as house:
            operation = await house.operation(await house.answered_thread(), OPERATION_STATUS_RUNNING)
            watch = house.alice.WatchOperation(WatchOperationRequest(id=operation.id))
            await watch.read()
            stopping = asyncio.create_task(house.process.stop())
            with refused(StatusCode.UNAVAILABLE):
                while await watch.read() is not aio.EOF:
                    pass
            await stopping


class TestRestart:
    async def test_after_a_stop_the_next_start_goes_on(self, tmp_path: Path, messages: StandInMessages) -> None:
        messages.may_answer.clear()
        async with running(tmp_path, messages) as house:
            thread = await house.answered_thread()
            await house.operation(thread, OPERATION_STATUS_RUNNING)
            await eventually(lambda: _now(messages.asked), len)
        messages.may_answer.set()
        async with running(tmp_path, messages) as house:
            operation = await house.operation(thread, *ENDED)
            assert operation.status == OPERATION_STATUS_COMPLETED
            assert await house.title(thread) == "Lisbon by tram"

    async def test_after_a_crash_the_next_start_takes_up_what_was_running(
        self, tmp_path: Path, messages: StandInMessages
    ) -> None:
        """A copy of a process's folder, taken while it works, is what a crash at that moment leaves."""
        messages.may_answer.clear()
        async with running(tmp_path / "data", messages) as house:
            thread = await house.answered_thread()
            before = await house.operation(thread, OPERATION_STATUS_RUNNING)
            await eventually(lambda: _now(messages.asked), len)
            shutil.copytree(tmp_path / "data", tmp_path / "left")
        asked = len(messages.asked)
        messages.may_answer.set()
        async with running(tmp_path / "left", messages) as house:
            operation = await house.operation(thread, *ENDED)
            assert operation.status == OPERATION_STATUS_COMPLETED
            assert operation.started_at == before.started_at
            assert len(messages.asked) == asked + 1
            assert await house.title(thread) == "Lisbon by tram"


async def _now(value: T) -> T:
    return value
