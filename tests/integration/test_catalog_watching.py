"""WatchModels: the models as they are, then as they change, on whichever replica and whatever the bus loses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    GetProviderHealthRequest,
    ListModelsRequest,
    ModelChange,
    RemoveModelRequest,
    UpsertModelRequest,
    WatchModelsRequest,
)
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DEGRADED,
    HEALTH_STATUS_HEALTHY,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    ModelConfig,
)

from libs.common import opening
from tests.integration.accounts import operator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.standins.lossy_bus import LossyBus
from tests.standins.makers import StandInMakers, serve_makers

if TYPE_CHECKING:
    Watch = aio.UnaryStreamCall[WatchModelsRequest, ModelChange]


@pytest.fixture(autouse=True)
def _only_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told in these tests is told by hints: nobody looks of themselves."""
    monkeypatch.setenv("LLMCHAT_MODELS_WATCHDOG", "3600")


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """Who looks after the catalog."""
    async with operator(house) as root:
        yield root


@pytest.fixture
async def makers() -> AsyncIterator[StandInMakers]:
    """Makers, and the messages service that asks them, as a test says."""
    async with serve_makers() as makers:
        yield makers


async def begun(person: Person) -> tuple[Watch, list[ModelConfig]]:
    """A watch that is synced, and the models that it began with."""
    watch = person.catalog.WatchModels(WatchModelsRequest())
    models = []
    while (change := await read(watch)).WhichOneof("change") == "model":
        models.append(change.model)
    assert change.HasField("synced")
    return watch, models


async def read(watch: Watch) -> ModelChange:
    async with asyncio.timeout(10):
        change = await watch.read()
    assert isinstance(change, ModelChange)
    return change


async def renamed(root: Person, id: str, name: str) -> ModelConfig:
    model = await root.catalog.GetModel(GetModelRequest(id=id))
    model.name = name
    return await root.catalog.UpsertModel(UpsertModelRequest(model=model))


async def asked(root: Person, maker: int) -> None:
    await root.catalog.GetProviderHealth(GetProviderHealthRequest(provider=maker, now=True))  # type: ignore[arg-type]


async def test_the_models_in_display_order_then_each_as_it_changes(root: Person, anna: Person) -> None:
    watch, models = await begun(anna)
    assert models == list((await anna.catalog.ListModels(ListModelsRequest())).models)

    changed = await renamed(root, "gpt-5", "GPT, the fifth")
    assert (await read(watch)).model == changed

    new = ModelConfig()
    new.CopyFrom(changed)
    new.id, new.etag = "gpt-5.1", ""
    created = await root.catalog.UpsertModel(UpsertModelRequest(model=new))
    assert (await read(watch)).model == created

    deprecated = await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5", replacement_id="gpt-5.1"))
    assert (await read(watch)).model == deprecated
    await root.catalog.RemoveModel(RemoveModelRequest(id="gpt-5"))
    assert (await read(watch)).removed_id == "gpt-5"

    await renamed(root, "gpt-5", "Nobody is told of what is removed")
    assert (await read_after(root, watch)) == "echo"
    assert [model.id for model in (await begun(anna))[1]].count("gpt-5") == 0


async def read_after(root: Person, watch: Watch) -> str:
    """The id of what is told next, if not before then that of the echo model, which changes now."""
    await renamed(root, "echo", "Echo, again")
    return (await read(watch)).model.id


async def test_anyone_may_watch(house: House) -> None:
    async with aio.insecure_channel(house.address) as channel:
        stream = CatalogServiceStub(channel).WatchModels(WatchModelsRequest())
        assert (await read(stream)).model.id == "claude-4-opus"
        stream.cancel()


async def test_health_is_told_when_it_changes_and_not_when_figures_move(makers: StandInMakers, tmp_path: Path) -> None:
    served = ("catalog", "users", "operations")
    async with open_house(tmp_path, *served, messages_address=makers.address) as house, operator(house) as root:
        watch, _ = await begun(root)
        makers.answer(MODEL_PROVIDER_GOOGLE, latency_ms=100)
        await asked(root, MODEL_PROVIDER_GOOGLE)
        told = [(await read(watch)).model for _ in range(3)]
        assert {model.id for model in told} == {"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-light"}
        assert {model.status.health_status for model in told} == {HEALTH_STATUS_HEALTHY}

        makers.answer(MODEL_PROVIDER_GOOGLE, latency_ms=300)
        await asked(root, MODEL_PROVIDER_GOOGLE)
        assert await read_after(root, watch) == "echo"

        makers.answer(MODEL_PROVIDER_GOOGLE, error="OVERLOADED")
        await asked(root, MODEL_PROVIDER_GOOGLE)
        told = [(await read(watch)).model for _ in range(3)]
        assert {model.status.health_status for model in told} == {HEALTH_STATUS_DEGRADED}
        assert {model.status.response_time_ms for model in told} == {200}

        makers.answer(MODEL_PROVIDER_OLLAMA, "gemma2:2b")
        await asked(root, MODEL_PROVIDER_OLLAMA)
        assert (await read(watch)).model.status.is_available


async def test_what_happens_on_one_replica_is_told_on_the_other(
    makers: StandInMakers, redis_url: str, tmp_path: Path
) -> None:
    served = ("catalog", "users", "operations")
    shared: dict[str, Any] = {"messages_address": makers.address, "bus_url": redis_url}
    async with (
        open_house(tmp_path, *served, **shared) as one,
        open_house(tmp_path, *served, **shared) as other,
        operator(one) as here,
        operator(other) as there,
    ):
        watches = [(await begun(person))[0] for person in (here, there)]

        changes = [await renamed(here, "gpt-5", "from here"), await renamed(there, "gpt-5-mini", "from there")]
        for watch in watches:
            told = [(await read(watch)).model for _ in changes]
            assert sorted(told, key=lambda model: model.id) == changes

        makers.answer(MODEL_PROVIDER_OLLAMA, "gemma2:2b")
        await asked(here, MODEL_PROVIDER_OLLAMA)
        for watch in watches:
            gemma = (await read(watch)).model
            assert (gemma.id, gemma.status.is_available) == ("gemma2-2b-local", True)

        await here.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-4.1"))
        await there.catalog.RemoveModel(RemoveModelRequest(id="gpt-4.1"))
        for watch in watches:
            # The first change may be told as the second alone.
            while (change := await read(watch)).WhichOneof("change") == "model":
                assert change.model.id == "gpt-4.1"
            assert change.removed_id == "gpt-4.1"


async def test_what_no_hint_told_is_found_by_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = LossyBus()
    monkeypatch.setattr(opening, "open_bus", lambda url: nullcontext(bus))
    monkeypatch.setenv("LLMCHAT_MODELS_WATCHDOG", "0.2")
    async with open_house(tmp_path) as house, operator(house) as root:
        watch, _ = await begun(root)
        bus.losing = 1.0
        for number in range(5):
            changed = await renamed(root, "gpt-5", f"number {number}")
        while (told := (await read(watch)).model) != changed:
            assert told.id == "gpt-5"
        assert await read_after(root, watch) == "echo"


async def test_a_server_that_stops_sends_watchers_elsewhere(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        watch, _ = await begun(await house.person())
        stopping = asyncio.create_task(house.process.stop())
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await read(watch)
        assert refusal.error.reason == "STOPPING"
        await stopping


async def test_clients_that_leave_leave_no_subscription_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = LossyBus()
    monkeypatch.setattr(opening, "open_bus", lambda url: nullcontext(bus))

    async def watchers() -> int:
        return bus.subscriptions["changes.models.everything"]

    async with open_house(tmp_path) as house:
        # The house itself, which remembers models and health.
        alone = await eventually(watchers, lambda count: count == 2)
        watches = [(await begun(await house.person()))[0] for _ in range(3)]
        assert await watchers() == alone + 3
        for watch in watches:
            watch.cancel()
        await eventually(watchers, lambda count: count == alone)
