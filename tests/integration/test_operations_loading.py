"""Loading a model on this machine, as an operation; a stand-in for the messages service fetches it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_OLLAMA
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_LOAD_MODEL,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import (
    CancelOperationRequest,
    CreateOperationRequest,
    WatchOperationRequest,
)

from libs.common.errors import Precondition
from tests.integration.calling import eventually
from tests.integration.operating import ENDED, House, StandInMessages, running

LOAD = CreateOperationRequest(type=OPERATION_TYPE_LOAD_MODEL, model_id="gemma2-2b-local")


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("LLMCHAT_OPERATION_INTERVAL", "0.05")
    monkeypatch.setenv("LLMCHAT_OPERATION_RETRY_DELAY", "0.02")
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")
    async with running(tmp_path, StandInMessages()) as house:
        yield house


async def test_its_progress_is_watched_to_the_end_and_the_catalog_looks_anew(house: House) -> None:
    house.messages.may_answer.clear()
    created: Operation = await house.alice.CreateOperation(LOAD)
    seen: list[tuple[int, int]] = []
    async for operation in house.alice.WatchOperation(WatchOperationRequest(id=created.id)):
        seen.append((operation.status, operation.progress))
        if operation.progress == 40:
            assert house.messages.checked == []
            house.messages.may_answer.set()
    assert (OPERATION_STATUS_RUNNING, 40) in seen
    assert seen[-1] == (OPERATION_STATUS_COMPLETED, 100)
    assert house.messages.pulled == ["gemma2-2b-local"]
    assert house.messages.checked == [MODEL_PROVIDER_OLLAMA]


async def test_it_has_an_hour(house: House) -> None:
    house.messages.may_answer.clear()
    begun = await house.reached(await house.alice.CreateOperation(LOAD), OPERATION_STATUS_RUNNING)
    assert begun.timeout_at.ToMilliseconds() - begun.started_at.ToMilliseconds() == 3_600_000
    house.messages.may_answer.set()


async def test_a_cancel_stops_the_fetching(house: House) -> None:
    house.messages.may_answer.clear()
    created = await house.alice.CreateOperation(LOAD)
    await eventually(lambda: house.reached(created, OPERATION_STATUS_RUNNING), lambda found: found.progress == 40)
    await house.alice.CancelOperation(CancelOperationRequest(id=created.id))

    async def cut_off() -> int:
        return house.messages.cut_off

    await eventually(cut_off, lambda times: times == 1)
    assert (await house.reached(created, *ENDED)).status == OPERATION_STATUS_CANCELLED
    assert house.messages.checked == []


async def test_a_fetch_that_fails_is_told_as_it_failed(house: House) -> None:
    house.messages.failures = [Precondition("there is no Ollama here", reason="PROVIDER_AWAY")]
    ended = await house.reached(await house.alice.CreateOperation(LOAD), *ENDED)
    assert (ended.status, ended.error.code) == (OPERATION_STATUS_FAILED, "PROVIDER_AWAY")
    assert ended.error.message == "there is no Ollama here"
