"""How the makers of models are doing: asked by one replica at a time, shown with every model of theirs.

The makers are stood in for, and with them the messages service, which asks them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    GetProviderHealthRequest,
    ListModelsRequest,
)
from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DEGRADED,
    HEALTH_STATUS_DOWN,
    HEALTH_STATUS_HEALTHY,
    HEALTH_STATUS_UNKNOWN,
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_ECHO,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    ModelConfig,
    ModelProvider,
)
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth

from services.catalog.collections import MODELS, PROVIDER_HEALTH
from tests.integration.accounts import operator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.tables import tables
from tests.standins.makers import StandInMakers, serve_makers

MAKERS = [MODEL_PROVIDER_ANTHROPIC, MODEL_PROVIDER_OPENAI, MODEL_PROVIDER_GOOGLE, MODEL_PROVIDER_OLLAMA]


@pytest.fixture
async def makers() -> AsyncIterator[StandInMakers]:
    async with serve_makers() as makers:
        yield makers


@asynccontextmanager
async def catalog_asking(makers: StandInMakers, folder: Path, **settings: Any) -> AsyncIterator[House]:
    served = ("catalog", "users", "operations")
    async with open_house(folder, *served, messages_address=makers.address, **settings) as house:
        yield house


@pytest.fixture
async def root(makers: StandInMakers, tmp_path: Path) -> AsyncIterator[Person]:
    """An administrator of a house that asks makers when it is told to, and never by itself."""
    async with catalog_asking(makers, tmp_path) as house, operator(house) as root:
        yield root


async def ask(person: Person, provider: ModelProvider, times: int = 1) -> ProviderHealth:
    """What the maker is found to be like after so many checks."""
    for _ in range(times):
        answer = await person.catalog.GetProviderHealth(GetProviderHealthRequest(provider=provider, now=True))
    [health] = answer.providers
    return health


async def model(person: Person, id: str) -> ModelConfig:
    return await person.catalog.GetModel(GetModelRequest(id=id))


async def test_a_models_health_is_its_makers(root: Person, makers: StandInMakers) -> None:
    before = await model(root, "gpt-5")
    assert before.status.health_status == HEALTH_STATUS_UNKNOWN

    makers.answer(MODEL_PROVIDER_OPENAI, latency_ms=120)
    await ask(root, MODEL_PROVIDER_OPENAI)
    makers.answer(MODEL_PROVIDER_OPENAI, latency_ms=180)
    health = await ask(root, MODEL_PROVIDER_OPENAI)

    assert (health.id, health.status) == ("openai", HEALTH_STATUS_HEALTHY)
    assert (health.latency_ms, health.response_time_ms, list(health.recent)) == (180, 150, [120, 180])
    listed = {one.id: one for one in (await root.catalog.ListModels(ListModelsRequest())).models}
    for after in (await model(root, "gpt-5"), listed["gpt-5"]):
        assert (after.status.health_status, after.status.response_time_ms) == (HEALTH_STATUS_HEALTHY, 150)
        assert (after.status.error_rate, after.status.last_health_check) == (0, health.last_check)
        assert after.etag == before.etag, "no check writes a model"
    assert listed["claude-4-opus"].status.health_status == HEALTH_STATUS_UNKNOWN


async def test_a_maker_that_fails_is_degraded_then_down_and_comes_back(root: Person, makers: StandInMakers) -> None:
    makers.answer(MODEL_PROVIDER_GOOGLE)
    await ask(root, MODEL_PROVIDER_GOOGLE)

    makers.answer(MODEL_PROVIDER_GOOGLE, error="RATE_LIMITED")
    failing = await ask(root, MODEL_PROVIDER_GOOGLE)
    assert (failing.status, failing.error_rate) == (HEALTH_STATUS_DEGRADED, 50)
    down = await ask(root, MODEL_PROVIDER_GOOGLE, times=2)
    assert (down.status, down.error_count, down.last_error) == (HEALTH_STATUS_DOWN, 3, "RATE_LIMITED")
    gemini = await model(root, "gemini-2.5-pro")
    assert gemini.status.health_status == HEALTH_STATUS_DOWN
    assert gemini.status.is_available, "who wants to may try"

    makers.answer(MODEL_PROVIDER_GOOGLE)
    assert (await ask(root, MODEL_PROVIDER_GOOGLE)).status == HEALTH_STATUS_DEGRADED
    assert (await ask(root, MODEL_PROVIDER_GOOGLE, times=19)).status == HEALTH_STATUS_HEALTHY


async def test_a_local_model_is_available_while_its_maker_has_it(root: Person, makers: StandInMakers) -> None:
    makers.answer(MODEL_PROVIDER_OLLAMA, "llama3:8b")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    assert not (await model(root, "gemma2-2b-local")).status.is_available

    makers.answer(MODEL_PROVIDER_OLLAMA, "llama3:8b", "gemma2:2b")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    assert (await model(root, "gemma2-2b-local")).status.is_available

    makers.answer(MODEL_PROVIDER_OLLAMA, error="OVERLOADED")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    assert (await model(root, "gemma2-2b-local")).status.is_available, "one failure says nothing of that"
    await ask(root, MODEL_PROVIDER_OLLAMA, times=2)
    assert not (await model(root, "gemma2-2b-local")).status.is_available

    makers.answer(MODEL_PROVIDER_OLLAMA, "gemma2:2b")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    deprecated = await root.catalog.DeprecateModel(DeprecateModelRequest(id="gemma2-2b-local"))
    assert not deprecated.status.is_available, "whoever has it"


async def test_of_makers_that_there_is_no_key_for_nothing_is_known_or_kept(
    root: Person, makers: StandInMakers, tmp_path: Path
) -> None:
    everyone = await root.catalog.GetProviderHealth(GetProviderHealthRequest(now=True))

    assert [health.provider for health in everyone.providers] == MAKERS
    for health in everyone.providers:
        assert health.status == HEALTH_STATUS_UNKNOWN
        assert not health.HasField("last_check")
        assert not health.recent
    assert tables(tmp_path, "catalog")[PROVIDER_HEALTH.name] == {}
    assert set(tables(tmp_path, "catalog")[MODELS.name].values()) == {1}


async def test_what_the_house_itself_answers_for_is_not_asked(root: Person, makers: StandInMakers) -> None:
    assert (await ask(root, MODEL_PROVIDER_ECHO)).status == HEALTH_STATUS_UNKNOWN
    assert makers.asked == {}


async def test_what_nobody_could_ask_says_nothing_of_a_maker(root: Person, makers: StandInMakers) -> None:
    makers.answer(MODEL_PROVIDER_OPENAI)
    before = await ask(root, MODEL_PROVIDER_OPENAI)
    makers.away = True

    assert await ask(root, MODEL_PROVIDER_OPENAI) == before
    assert makers.asked[MODEL_PROVIDER_OPENAI] == 2


async def test_makers_without_a_model_in_use_are_left_alone(root: Person, makers: StandInMakers) -> None:
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="gemma2-2b-local"))

    everyone = await root.catalog.GetProviderHealth(GetProviderHealthRequest(now=True))

    assert [health.provider for health in everyone.providers] == MAKERS[:-1]
    assert makers.asked.keys() == set(MAKERS[:-1])


async def test_it_is_for_administrators(makers: StandInMakers, tmp_path: Path) -> None:
    async with catalog_asking(makers, tmp_path) as house:
        anna = await house.person()
        with refused(StatusCode.PERMISSION_DENIED):
            await anna.catalog.GetProviderHealth(GetProviderHealthRequest())


async def test_of_two_replicas_one_asks_for_both(
    makers: StandInMakers, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "3600")
    for maker in MAKERS:
        makers.answer(maker)
    async with (
        catalog_asking(makers, tmp_path, bus_url=redis_url) as one,
        catalog_asking(makers, tmp_path, bus_url=redis_url) as other,
        operator(one) as here,
        operator(other) as there,
    ):
        for root in (here, there):
            gpt = await eventually(partial(model, root, "gpt-5"), lambda gpt: gpt.status.HasField("last_health_check"))
            assert gpt.status.health_status == HEALTH_STATUS_HEALTHY
        assert makers.asked == dict.fromkeys(MAKERS, 1)

        # What one of them finds out, the other knows as soon as it is told.
        makers.answer(MODEL_PROVIDER_OPENAI, error="OVERLOADED")
        await ask(here, MODEL_PROVIDER_OPENAI)
        await eventually(partial(model, there, "gpt-5"), lambda gpt: gpt.status.health_status == HEALTH_STATUS_DEGRADED)


async def test_a_replica_goes_on_without_the_other(
    makers: StandInMakers, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0.1")

    async def asked() -> int:
        return makers.asked[MODEL_PROVIDER_OPENAI]

    async with catalog_asking(makers, tmp_path, bus_url=redis_url):
        async with catalog_asking(makers, tmp_path, bus_url=redis_url):
            await eventually(asked, lambda times: times > 3)
        times = await asked()
        await eventually(asked, lambda now: now > times + 3)
