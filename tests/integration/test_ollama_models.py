"""How makers of models are, and what has Ollama fetch and load one: against stand-ins, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, GetProviderHealthRequest
from llmchat.catalog.v1.model_config_pb2 import (
    MODEL_PROVIDER_ECHO,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    ModelProvider,
)
from llmchat.messages.v1.messages_service_pb2 import (
    CheckProviderRequest,
    CheckProviderResponse,
    PullModelRequest,
    SendMessageRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.errors import NotFound, Unavailable
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, bearing, open_house
from tests.integration.watching import watch
from tests.standins.google_server import StandInGoogle
from tests.standins.ollama_server import Fetching, StandInOllama
from tests.standins.provider_server import Reply, serve

MODEL, NAME = "gemma2-2b-local", "gemma2:2b"
KEY = "a-key-that-nobody-else-sees"
WEIGHTS, TEMPLATE = "sha256:77462", "sha256:e0a42"
BEGUN = {"status": "pulling manifest"}
STEPS: tuple[dict[str, Any], ...] = (
    BEGUN,
    *({"status": "pulling 77462", "digest": WEIGHTS, "total": 1000, "completed": size} for size in (0, 200, 204, 600)),
    {"status": "pulling 77462", "digest": WEIGHTS, "total": 1000, "completed": 1000},
    # What turns up later makes the whole larger.
    {"status": "pulling e0a42", "digest": TEMPLATE, "total": 1000},
    {"status": "pulling e0a42", "digest": TEMPLATE, "total": 1000, "completed": 1000},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
)


@pytest.fixture
async def ollama() -> AsyncIterator[StandInOllama]:
    """One that has no model yet."""
    async with serve(StandInOllama()) as stand_in:
        stand_in.at_hand.clear()
        yield stand_in


@pytest.fixture
async def google() -> AsyncIterator[StandInGoogle]:
    async with serve(StandInGoogle()) as stand_in:
        yield stand_in


@pytest.fixture
def settings() -> dict[str, str]:
    """Those of the messages service that differ, without their prefix."""
    return {"GOOGLE_API_KEY": KEY}


@pytest.fixture
async def house(
    ollama: StandInOllama,
    google: StandInGoogle,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    """A house whose Ollama and Google are stand-ins."""
    addresses = {"OLLAMA_BASE_URL": ollama.base_url, "GOOGLE_BASE_URL": google.base_url}
    for name, value in (addresses | settings).items():
        monkeypatch.setenv(f"LLMCHAT_{name}", value)
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def operations(house: House) -> AsyncIterator[Person]:
    """The operations service as it calls."""
    token, _ = house.process.tokens.issue_service("operations", "", False)
    async with bearing(house.address, token, "") as caller:
        yield caller


@pytest.fixture
async def catalog(house: House) -> AsyncIterator[Person]:
    """The catalog service as it calls."""
    token, _ = house.process.tokens.issue_service("catalog", "", False)
    async with bearing(house.address, token, "") as caller:
        yield caller


def pull(operations: Person, model_id: str = MODEL) -> Any:
    """The stream of the progress."""
    return operations.messages.PullModel(PullModelRequest(model_id=model_id))


async def progress(stream: Any) -> list[int]:
    """All that is told, in percent."""
    return [told.progress async for told in stream]


async def check(catalog: Person, provider: ModelProvider) -> CheckProviderResponse:
    return await catalog.messages.CheckProvider(CheckProviderRequest(provider=provider))


class TestPulling:
    async def test_tells_each_new_percent_and_never_goes_back(self, operations: Person, ollama: StandInOllama) -> None:
        ollama.fetching = Fetching(STEPS)
        assert await progress(pull(operations)) == [19, 57, 95, 100]
        assert [asked["model"] for asked in ollama.fetched] == [NAME]
        [asked] = ollama.loads
        assert (asked["model"], asked.get("prompt")) == (NAME, None)
        assert asked["options"]["num_ctx"] == 8_192, "room for the context that the catalog promises"

    async def test_what_is_at_hand_is_loaded_without_fetching(self, operations: Person, ollama: StandInOllama) -> None:
        ollama.at_hand.append(NAME)
        assert await progress(pull(operations)) == [100]
        assert ollama.fetched == []
        assert ollama.loaded == [NAME]

    async def test_who_goes_ends_the_fetching(self, operations: Person, ollama: StandInOllama) -> None:
        ollama.fetching = Fetching(STEPS, held=4)
        stream = pull(operations)
        assert (await stream.read()).progress == 19
        assert not ollama.left.is_set()
        stream.cancel()
        async with asyncio.timeout(5):
            await ollama.left.wait()
        assert ollama.loads == []

        ollama.fetching = Fetching(STEPS[4:])
        assert (await progress(pull(operations)))[-1] == 100

    async def test_a_model_that_nobody_has_is_not_found(self, operations: Person, ollama: StandInOllama) -> None:
        ollama.fetching = Fetching([{"error": "pull model manifest: file does not exist"}], status=500)
        with refused(StatusCode.NOT_FOUND) as refusal:
            await progress(pull(operations))
        assert isinstance(refusal.error, NotFound)
        assert refusal.error.metadata["id"] == NAME

    @pytest.mark.parametrize(
        "steps",
        [
            [*STEPS[:4], {"error": f"max retries exceeded: {KEY}"}],
            STEPS[:4],
        ],
        ids=["an error", "no success"],
    )
    async def test_what_breaks_off_in_the_middle_may_be_tried_again(
        self, operations: Person, ollama: StandInOllama, steps: Sequence[dict[str, Any]]
    ) -> None:
        ollama.fetching = Fetching(steps)
        stream = pull(operations)
        assert (await stream.read()).progress == 19
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await stream.read()
        assert isinstance(refusal.error, Unavailable)
        assert refusal.error.reason == "PROVIDER_ERROR"
        assert KEY not in refusal.error.text, "its own words go no further"
        assert ollama.loads == []

    async def test_a_server_that_is_not_there(self, operations: Person, ollama: StandInOllama) -> None:
        await ollama.stop()
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await progress(pull(operations))
        assert refusal.error.reason == "OVERLOADED"

    @pytest.mark.parametrize("model_id", ["echo", "gemini-2.5-pro"])
    async def test_only_what_runs_on_this_machine_is_loaded(self, operations: Person, model_id: str) -> None:
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await progress(pull(operations, model_id))
        assert refusal.error.reason == "NOT_LOADABLE"

    async def test_a_model_that_the_catalog_does_not_have(self, operations: Person) -> None:
        with refused(StatusCode.NOT_FOUND):
            await progress(pull(operations, "no-such-model"))


async def test_what_was_pulled_answers(house: House, operations: Person, ollama: StandInOllama) -> None:
    anna = await house.person()
    ollama.fetching = Fetching(STEPS)
    assert (await progress(pull(operations)))[-1] == 100
    await operations.catalog.GetProviderHealth(GetProviderHealthRequest(provider=MODEL_PROVIDER_OLLAMA, now=True))
    await eventually(lambda: anna.catalog.GetModel(GetModelRequest(id=MODEL)), lambda model: model.status.is_available)

    thread = await anna.threads.CreateThread(CreateThreadRequest(title="t"))
    question = SendMessageRequest(thread_id=thread.id, model_id=MODEL, content="hello", temperature=0.4)
    ollama.replies.append(Reply(["hello", " you"]))
    assert (await watch(anna.messages.SendMessage(question))).text == "hello you"
    [asked] = ollama.requests
    assert (asked["model"], ollama.turns(asked)[-1]) == (NAME, ("user", "hello"))
    assert asked["options"] == {"num_ctx": 8_192, "num_predict": 2_048, "temperature": 0.4}, (
        "nothing to load it for anew"
    )
    assert asked["keep_alive"] == ollama.loads[0]["keep_alive"]


class TestChecks:
    async def test_ollama_says_what_it_has_and_holds_in_memory(self, catalog: Person, ollama: StandInOllama) -> None:
        ollama.at_hand += [NAME, "llama3.2:1b"]
        ollama.loaded.append(NAME)
        found = await check(catalog, MODEL_PROVIDER_OLLAMA)
        assert (found.is_configured, found.error) == (True, "")
        assert 0 < found.latency_ms < 8_000
        assert (list(found.models), list(found.loaded_models)) == ([NAME, "llama3.2:1b"], [NAME])
        assert found.memory_usage == 2**30

    async def test_one_that_is_not_there_is_not_well(self, catalog: Person, ollama: StandInOllama) -> None:
        await ollama.stop()
        found = await check(catalog, MODEL_PROVIDER_OLLAMA)
        assert (found.is_configured, found.error) == (True, "OVERLOADED")

    async def test_a_maker_is_asked_with_the_installations_key(self, catalog: Person, google: StandInGoogle) -> None:
        found = await check(catalog, MODEL_PROVIDER_GOOGLE)
        assert (found.is_configured, found.error) == (True, "")
        # The house asks by itself as well.
        assert set(google.checks) == {KEY}

    async def test_one_that_refuses_it_is_not_well(self, catalog: Person, google: StandInGoogle) -> None:
        google.listing = Reply(status=400, error="API_KEY_INVALID")
        found = await check(catalog, MODEL_PROVIDER_GOOGLE)
        assert (found.is_configured, found.error) == (True, "AUTHENTICATION")

    async def test_the_echo_is_always_well(self, catalog: Person) -> None:
        found = await check(catalog, MODEL_PROVIDER_ECHO)
        assert (found.is_configured, found.error) == (True, "")


class TestChecksWithoutAKey:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {}

    async def test_a_maker_that_takes_keys_is_not_asked(self, catalog: Person, google: StandInGoogle) -> None:
        assert await check(catalog, MODEL_PROVIDER_GOOGLE) == CheckProviderResponse()
        assert google.checks == []


class TestChecksOfTheSilent:
    @pytest.fixture
    async def ollama(self) -> AsyncIterator[StandInOllama]:
        """A server that takes connections, and says nothing."""
        stand_in = StandInOllama()
        left = asyncio.Event()

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await left.wait()
            writer.close()

        server = await asyncio.start_server(keep, "127.0.0.1", 0)
        stand_in.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield stand_in
        left.set()
        server.close()

    async def test_are_over_before_the_caller_has_lost_patience(self, catalog: Person) -> None:
        found = await check(catalog, MODEL_PROVIDER_OLLAMA)
        assert (found.is_configured, found.error) == (True, "TIMEOUT")
        assert found.latency_ms == pytest.approx(8_000, abs=2_000)
