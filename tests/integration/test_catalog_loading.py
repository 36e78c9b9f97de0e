"""LoadModel: a local model that is loaded by whoever wants to talk with it, from a stand-in for Ollama."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    GetProviderHealthRequest,
    LoadModelRequest,
)
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_OLLAMA, ModelConfig
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, OPERATION_TYPE_LOAD_MODEL
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest, WatchOperationRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.rpc.status import from_rpc_error
from tests.integration.accounts import operator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import watch
from tests.standins.ollama_server import Fetching, StandInOllama
from tests.standins.provider_server import Reply, serve

GEMMA = "gemma2-2b-local"
STEPS = (
    {"status": "pulling manifest"},
    {"status": "pulling 1", "digest": "sha256:1", "total": 100, "completed": 40},
    {"status": "pulling 1", "digest": "sha256:1", "total": 100, "completed": 100},
    {"status": "success"},
)


@pytest.fixture
async def ollama() -> AsyncIterator[StandInOllama]:
    """A machine with Ollama, which has no model yet."""
    async with serve(StandInOllama()) as ollama:
        ollama.at_hand.clear()
        ollama.fetching = Fetching(STEPS)
        yield ollama


@pytest.fixture
async def house(ollama: StandInOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house that would find out by itself an hour later what Ollama has."""
    monkeypatch.setenv("LLMCHAT_OLLAMA_BASE_URL", ollama.base_url)
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "3600")
    async with open_house(tmp_path) as house:
        yield house


async def test_a_model_is_loaded_and_then_talked_with(anna: Person, ollama: StandInOllama) -> None:
    thread_id = (await anna.threads.CreateThread(CreateThreadRequest())).id
    question = SendMessageRequest(thread_id=thread_id, model_id=GEMMA, content="hello")
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await watch(anna.messages.SendMessage(question))
    assert refusal.error.reason == "MODEL_UNAVAILABLE"

    begun = await anna.catalog.LoadModel(LoadModelRequest(id=GEMMA, request_id="once"))

    assert (begun.user_id, begun.type, begun.model_id) == (anna.user_id, OPERATION_TYPE_LOAD_MODEL, GEMMA)
    states = [state async for state in anna.operations.WatchOperation(WatchOperationRequest(id=begun.id))]
    assert (states[-1].status, states[-1].progress) == (OPERATION_STATUS_COMPLETED, 100)
    assert [asked["model"] for asked in ollama.fetched] == ["gemma2:2b"]

    async def model() -> ModelConfig:
        return await anna.catalog.GetModel(GetModelRequest(id=GEMMA))

    # The operation ends once the catalog has seen that it is there.
    assert (await model()).status.is_available
    ollama.replies.append(Reply(["Good ", "day"]))
    answer = await eventually(partial(said, anna, question), bool)
    assert answer == "Good day"
    again = await anna.catalog.LoadModel(LoadModelRequest(id=GEMMA, request_id="once"))
    assert again.id == begun.id
    listed = (await anna.operations.ListOperations(ListOperationsRequest())).operations
    assert [one.id for one in listed if one.type == OPERATION_TYPE_LOAD_MODEL] == [begun.id]


async def said(person: Person, question: SendMessageRequest) -> str:
    """The answer; empty while the service that asks models has not heard of this one."""
    try:
        return (await watch(person.messages.SendMessage(question))).text
    except aio.AioRpcError as error:
        if from_rpc_error(error).reason != "MODEL_UNAVAILABLE":
            raise
        return ""


async def test_only_a_model_in_use_that_can_be_loaded_is(house: House, anna: Person) -> None:
    with refused(StatusCode.NOT_FOUND):
        await anna.catalog.LoadModel(LoadModelRequest(id="no-such-model"))
    with refused(StatusCode.FAILED_PRECONDITION) as cloud:
        await anna.catalog.LoadModel(LoadModelRequest(id="gpt-5"))
    assert cloud.error.reason == "NOT_LOADABLE"
    async with operator(house) as root:
        await root.catalog.DeprecateModel(DeprecateModelRequest(id=GEMMA))
    with refused(StatusCode.FAILED_PRECONDITION) as deprecated:
        await anna.catalog.LoadModel(LoadModelRequest(id=GEMMA))
    assert deprecated.error.reason == "MODEL_UNAVAILABLE"


async def test_what_ollama_holds_in_memory_is_told(house: House, anna: Person, ollama: StandInOllama) -> None:
    begun = await anna.catalog.LoadModel(LoadModelRequest(id=GEMMA))
    async for _ in anna.operations.WatchOperation(WatchOperationRequest(id=begun.id)):
        pass
    async with operator(house) as root:
        request = GetProviderHealthRequest(provider=MODEL_PROVIDER_OLLAMA)
        [health] = (await root.catalog.GetProviderHealth(request)).providers
    assert (list(health.models), list(health.loaded_models)) == (["gemma2:2b"], ["gemma2:2b"])
    assert health.memory_usage == 2**30
