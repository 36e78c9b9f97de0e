"""Operations that people ask for: created, bounded, and tried again after they have failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode
from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest, LoadModelRequest
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_PRIORITY_HIGH,
    OPERATION_PRIORITY_LOW,
    OPERATION_PRIORITY_NORMAL,
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_STATUS_PENDING,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_DELETE_USER,
    OPERATION_TYPE_GENERATE_TITLE,
    OPERATION_TYPE_LOAD_MODEL,
    OPERATION_TYPE_MIGRATE_DATA,
    OPERATION_TYPE_SUMMARIZE,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import (
    CancelOperationRequest,
    CreateOperationRequest,
    ListOperationsRequest,
    RetryOperationRequest,
    UpdateSystemConfigRequest,
)
from llmchat.operations.v1.system_config_pb2 import SystemConfig
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest

from libs.common.errors import DomainError, Exhausted, Precondition
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.operating import ENDED, House, StandInMessages, running

LOCAL = "gemma2-2b-local"


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_OPERATION_INTERVAL", "0.05")
    monkeypatch.setenv("LLMCHAT_OPERATION_RETRY_DELAY", "0.02")
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path, StandInMessages()) as house:
        yield house


def title_of(thread: Thread, **fields: Any) -> CreateOperationRequest:
    asked: dict[str, Any] = {"type": OPERATION_TYPE_GENERATE_TITLE, "thread_id": thread.id, "model_id": "echo"}
    return CreateOperationRequest(**(asked | fields))


def loading(model_id: str = LOCAL, **fields: Any) -> CreateOperationRequest:
    return CreateOperationRequest(type=OPERATION_TYPE_LOAD_MODEL, model_id=model_id, **fields)


def migration(**parameters: Any) -> CreateOperationRequest:
    request = CreateOperationRequest(type=OPERATION_TYPE_MIGRATE_DATA)
    request.parameters.update(parameters)
    return request


async def new_thread(house: House, **fields: Any) -> Thread:
    thread: Thread = await house.threads.CreateThread(CreateThreadRequest(**fields))
    return thread


async def switch_off(house: House, feature: str) -> None:
    request = UpdateSystemConfigRequest(
        system_config=SystemConfig(), update_mask=FieldMask(paths=[f"features.{feature}"])
    )
    await house.root.UpdateSystemConfig(request)


class TestCreate:
    async def test_a_title_is_found_for_who_asks(self, house: House) -> None:
        thread = await new_thread(house)
        created = await house.alice.CreateOperation(title_of(thread))
        assert created.status == OPERATION_STATUS_PENDING
        assert (created.user_id, created.thread_id, created.model_id) == ("alice", thread.id, "echo")
        assert created.priority == OPERATION_PRIORITY_NORMAL
        ended = await house.reached(created, *ENDED)
        assert (ended.status, ended.result.title) == (OPERATION_STATUS_COMPLETED, "Lisbon by tram")
        assert await house.title(thread) == "Lisbon by tram"

    async def test_a_repeat_with_its_request_id_is_the_same_operation_whatever_has_happened_since(
        self, house: House
    ) -> None:
        thread = await new_thread(house)
        request = title_of(thread, request_id="title-1")
        created = await house.alice.CreateOperation(request)
        await house.reached(created, *ENDED)
        await house.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
        assert await house.alice.CreateOperation(request) == created
        with refused(StatusCode.INVALID_ARGUMENT):
            await house.alice.CreateOperation(title_of(thread, request_id="title-1", model_id="other"))

    async def test_what_is_under_way_is_not_begun_a_second_time(self, house: House) -> None:
        house.messages.may_answer.clear()
        thread = await new_thread(house)
        first, *others = await asyncio.gather(*(house.alice.CreateOperation(title_of(thread)) for _ in range(5)))
        assert {operation.id for operation in others} == {first.id}
        house.messages.may_answer.set()
        await house.reached(first, *ENDED)
        listed = await house.alice.ListOperations(ListOperationsRequest(count_total=True))
        assert (listed.total_size, len(house.messages.asked)) == (1, 1)

    async def test_a_title_that_is_sought_already_is_the_one_that_is_asked_for(self, house: House) -> None:
        house.messages.may_answer.clear()
        thread = await house.answered_thread()
        sought = await house.operation(thread, OPERATION_STATUS_RUNNING)
        assert sought.priority == OPERATION_PRIORITY_LOW
        assert (await house.alice.CreateOperation(title_of(thread))).id == sought.id
        house.messages.may_answer.set()

    async def test_after_its_end_the_same_is_begun_anew(self, house: House) -> None:
        first = await house.alice.CreateOperation(loading())
        await house.reached(first, OPERATION_STATUS_COMPLETED)
        second = await house.alice.CreateOperation(loading())
        assert second.id != first.id
        await house.reached(second, OPERATION_STATUS_COMPLETED)

    async def test_a_model_is_loaded_once_for_each_who_asks(self, house: House) -> None:
        house.messages.may_answer.clear()
        alices, bobs = [await person.CreateOperation(loading()) for person in (house.alice, house.bob)]
        assert alices.id != bobs.id
        assert (await house.alice.CreateOperation(loading())).id == alices.id
        house.messages.may_answer.set()

    async def test_stored_documents_are_brought_up_to_date_once_at_a_time(self, house: House) -> None:
        first, second = await asyncio.gather(*(house.root.CreateOperation(migration()) for _ in range(2)))
        assert first.id == second.id

    async def test_the_catalog_asks_for_a_person(self, house: House) -> None:
        operation: Operation = await house.catalog.LoadModel(LoadModelRequest(id=LOCAL, request_id="load-1"))
        assert (operation.user_id, operation.type) == ("alice", OPERATION_TYPE_LOAD_MODEL)
        assert (await house.catalog.LoadModel(LoadModelRequest(id=LOCAL, request_id="load-1"))).id == operation.id


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "fields"),
        [
            ({"type": OPERATION_TYPE_GENERATE_TITLE}, {"thread_id", "model_id"}),
            ({"type": OPERATION_TYPE_SUMMARIZE, "thread_id": "thread_1"}, {"model_id"}),
            ({"type": OPERATION_TYPE_LOAD_MODEL, "model_id": LOCAL, "thread_id": "thread_1"}, {"thread_id"}),
            ({"type": OPERATION_TYPE_LOAD_MODEL, "model_id": LOCAL, "parameters": {"fast": True}}, {"parameters.fast"}),
            ({"type": OPERATION_TYPE_MIGRATE_DATA, "model_id": LOCAL}, {"model_id"}),
            ({"type": OPERATION_TYPE_MIGRATE_DATA, "parameters": {"service": "gateway"}}, {"parameters.service"}),
            ({"type": OPERATION_TYPE_MIGRATE_DATA, "parameters": {"service": 7}}, {"parameters.service"}),
            ({"type": OPERATION_TYPE_DELETE_USER}, {"type"}),
            ({}, {"type"}),
        ],
        ids=[
            "a title of nothing",
            "a summary for no model",
            "a model loaded for a thread",
            "an unknown parameter",
            "documents of a model",
            "documents of no service",
            "documents of a number",
            "the deletion of an account",
            "nothing at all",
        ],
    )
    async def test_what_the_type_needs_must_be_given_and_nothing_else(
        self, house: House, request_: dict[str, Any], fields: set[str]
    ) -> None:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await house.root.CreateOperation(CreateOperationRequest(**request_))
        assert refusal.fields == fields

    async def test_another_persons_thread_is_not_found(self, house: House) -> None:
        thread = await new_thread(house)
        with refused(StatusCode.NOT_FOUND) as absent:
            await house.bob.CreateOperation(title_of(Thread(id=f"{thread.id}x")))
        with refused(StatusCode.NOT_FOUND) as refusal:
            await house.bob.CreateOperation(title_of(thread))
        assert refusal.error.text == absent.error.text.replace(f"{thread.id}x", thread.id)

    async def test_a_thread_that_is_gone_is_not_found(self, house: House) -> None:
        thread = await new_thread(house)
        await house.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
        with refused(StatusCode.NOT_FOUND):
            await house.alice.CreateOperation(title_of(thread))

    async def test_a_model_that_there_is_not_is_not_found(self, house: House) -> None:
        thread = await new_thread(house)
        for request in (title_of(thread, model_id="gone"), loading("gone")):
            with refused(StatusCode.NOT_FOUND) as refusal:
                await house.alice.CreateOperation(request)
            assert refusal.error.metadata == {"kind": "model", "id": "gone"}

    async def test_a_thread_that_has_a_title_keeps_it(self, house: House) -> None:
        thread = await new_thread(house, title="Mine")
        await refuses(house.alice, title_of(thread), "HAS_TITLE")

    async def test_only_what_is_local_and_in_use_is_loaded(self, house: House) -> None:
        await refuses(house.alice, loading("echo"), "NOT_LOADABLE")
        await house.models.DeprecateModel(DeprecateModelRequest(id=LOCAL))
        await refuses(house.alice, loading(), "MODEL_UNAVAILABLE")

    async def test_what_an_administrator_has_switched_off_is_refused(self, house: House) -> None:
        thread = await new_thread(house)
        await switch_off(house, "model_loading")
        await refuses(house.alice, loading(), "FEATURE_OFF")
        await switch_off(house, "summarization")
        await refuses(house.alice, title_of(thread, type=OPERATION_TYPE_SUMMARIZE), "FEATURE_OFF")

    async def test_what_is_for_administrators_is_refused_to_others(self, house: House) -> None:
        for request in (migration(), loading(priority=OPERATION_PRIORITY_HIGH)):
            with refused(StatusCode.PERMISSION_DENIED):
                await house.alice.CreateOperation(request)
        urgent = await house.root.CreateOperation(loading(priority=OPERATION_PRIORITY_HIGH))
        assert urgent.priority == OPERATION_PRIORITY_HIGH

    async def test_a_person_has_so_many_under_way_at_most(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPERATIONS_PER_USER", "2")
        messages = StandInMessages()
        messages.may_answer.clear()
        async with running(tmp_path, messages) as house:
            threads = [await new_thread(house) for _ in range(3)]
            first, _ = [await house.alice.CreateOperation(title_of(thread)) for thread in threads[:2]]
            with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
                await house.alice.CreateOperation(title_of(threads[2]))
            assert refusal.error.reason == "TOO_MANY_OPERATIONS"
            assert (await house.alice.CreateOperation(title_of(threads[0]))).id == first.id, "that is no other"
            await house.bob.CreateOperation(loading())
            await house.alice.CancelOperation(CancelOperationRequest(id=first.id))
            await house.alice.CreateOperation(title_of(threads[2]))


class TestRetry:
    async def failed(self, house: House, *failures: DomainError) -> Operation:
        house.messages.failures = list(failures) or [Precondition("the model is off", reason="MODEL_OFF")]
        created = await house.alice.CreateOperation(title_of(await new_thread(house)))
        return await house.reached(created, OPERATION_STATUS_FAILED)

    async def test_it_is_done_after_all_under_its_id(self, house: House) -> None:
        failed = await self.failed(house)
        assert (failed.error.code, failed.error.message) == ("MODEL_OFF", "the model is off")
        retried = await house.alice.RetryOperation(RetryOperationRequest(id=failed.id))
        assert (retried.id, retried.status) == (failed.id, OPERATION_STATUS_PENDING)
        assert not retried.HasField("completed_at")
        assert retried.error.code == "MODEL_OFF", "why it failed stays until it ends well"
        ended = await house.reached(failed, *ENDED)
        assert (ended.status, ended.result.title) == (OPERATION_STATUS_COMPLETED, "Lisbon by tram")
        assert not ended.HasField("error")

    async def test_it_has_all_its_time_and_tries_again(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("LLMCHAT_OPERATION_RETRIES", "2")
        async with running(tmp_path, StandInMessages()) as house:
            failed = await self.failed(house, *[Exhausted("too many requests")] * 3)
            assert failed.error.retry_count == 2
            house.messages.failures = [Exhausted("too many requests")] * 2
            retried = await house.alice.RetryOperation(RetryOperationRequest(id=failed.id))
            assert retried.error.retry_count == 0
            assert not retried.HasField("timeout_at")
            ended = await house.reached(failed, *ENDED)
            assert ended.status == OPERATION_STATUS_COMPLETED
            assert ended.timeout_at.ToMilliseconds() > failed.timeout_at.ToMilliseconds()

    async def test_one_that_fails_again_tells_of_the_new_error(self, house: House) -> None:
        failed = await self.failed(house)
        house.messages.failures = [Precondition("no key", reason="PROVIDER_KEY_MISSING")]
        await house.alice.RetryOperation(RetryOperationRequest(id=failed.id))
        again = await house.reached(failed, OPERATION_STATUS_FAILED)
        assert (again.error.code, again.error.message) == ("PROVIDER_KEY_MISSING", "no key")

    async def test_a_repeat_with_its_request_id_retries_once(self, house: House) -> None:
        failed = await self.failed(house)
        request = RetryOperationRequest(id=failed.id, request_id="retry-1")
        retried = await house.alice.RetryOperation(request)
        await house.reached(failed, OPERATION_STATUS_COMPLETED)
        assert await house.alice.RetryOperation(request) == retried
        assert len(house.messages.asked) == 2

    async def test_only_what_has_failed_is_tried_again(self, house: House) -> None:
        house.messages.may_answer.clear()
        thread = await new_thread(house)
        created = await house.alice.CreateOperation(title_of(thread))
        await house.reached(created, OPERATION_STATUS_RUNNING)
        await refuses_to_retry(house, created, "NOT_FAILED")
        cancelled = await house.alice.CancelOperation(CancelOperationRequest(id=created.id))
        await refuses_to_retry(house, cancelled, "NOT_FAILED")
        assert (await house.reached(created, *ENDED)).status == OPERATION_STATUS_CANCELLED

    async def test_another_persons_is_not_found(self, house: House) -> None:
        failed = await self.failed(house)
        with refused(StatusCode.NOT_FOUND):
            await house.bob.RetryOperation(RetryOperationRequest(id=failed.id))

    async def test_one_whose_thread_was_deleted_is_not_tried_again(self, house: House) -> None:
        failed = await self.failed(house)
        await house.threads.DeleteThread(DeleteThreadRequest(id=failed.thread_id))

        async def released() -> bool:
            return not (await house.reached(failed, OPERATION_STATUS_FAILED)).thread_id

        await eventually(released, bool)
        await refuses_to_retry(house, failed, "THREAD_DELETED")

    async def test_one_that_another_does_already_is_not_tried_again(self, house: House) -> None:
        failed = await self.failed(house)
        house.messages.may_answer.clear()
        another = await house.alice.CreateOperation(title_of(Thread(id=failed.thread_id)))
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await house.alice.RetryOperation(RetryOperationRequest(id=failed.id))
        assert refusal.error.reason == "ALREADY_UNDER_WAY"
        assert refusal.error.metadata == {"operation_id": another.id}


async def refuses(person: SignedIn, request: CreateOperationRequest, reason: str) -> None:
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await person.CreateOperation(request)
    assert refusal.error.reason == reason


async def refuses_to_retry(house: House, operation: Operation, reason: str) -> None:
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await house.alice.RetryOperation(RetryOperationRequest(id=operation.id))
    assert refusal.error.reason == reason
