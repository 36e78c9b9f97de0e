"""The catalog as a client meets it, and what it begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, ListModelsRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import (
    API_KEY_TYPE_CLAUDE,
    HEALTH_STATUS_UNKNOWN,
    MODEL_CATEGORY_CLOUD,
    MODEL_CATEGORY_EXPERIMENTAL,
    MODEL_CATEGORY_LOCAL,
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_ECHO,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    TEMPERATURE_TYPE_RANGE,
    ModelAvailability,
    ModelCapabilities,
    ModelConfig,
    ModelFeatures,
    ModelSpecs,
    ModelUi,
    TemperatureOptions,
)

from libs.common.documents.system import SCHEMA_VERSION
from libs.common.documents.unit import Unit
from libs.common.rpc.interceptors.validation import Validation
from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.port import Query
from services.catalog.collections import MODELS
from services.catalog.initial_models import initial_models
from tests.integration.calling import refused, sign_in
from tests.integration.conftest import House, open_house
from tests.integration.planting import documents_of

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub

IN_ORDER = [
    "claude-4-opus",
    "claude-4-sonnet",
    "claude-3.7-sonnet",
    "claude-3.5-sonnet",
    "claude-3.5-haiku",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-light",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gemma2-2b-local",
    "echo",
]


@pytest.fixture
async def catalog(house: House) -> AsyncIterator[CatalogServiceAsyncStub]:
    """Calls that carry no identity: the catalog is open to anyone."""
    async with aio.insecure_channel(house.address) as channel:
        yield CatalogServiceStub(channel)


# Reading


async def test_all_models_are_listed_in_display_order(catalog: CatalogServiceAsyncStub) -> None:
    answer = await catalog.ListModels(ListModelsRequest())

    assert [model.id for model in answer.models] == IN_ORDER
    assert answer.next_page_token == ""
    assert not answer.HasField("total_size")


async def test_pages_join_to_the_whole_list(catalog: CatalogServiceAsyncStub) -> None:
    ids: list[str] = []
    token = ""
    for expected in (4, 4, 4, 3):
        page = await catalog.ListModels(ListModelsRequest(page_size=4, page_token=token, count_total=True))
        assert (len(page.models), page.total_size) == (expected, 15)
        ids += [model.id for model in page.models]
        token = page.next_page_token

    assert ids == IN_ORDER
    assert token == ""


async def test_a_list_can_be_of_one_provider(catalog: CatalogServiceAsyncStub) -> None:
    request = ListModelsRequest(provider=MODEL_PROVIDER_GOOGLE, page_size=2, count_total=True)

    first = await catalog.ListModels(request)
    request.page_token = first.next_page_token
    second = await catalog.ListModels(request)

    assert first.total_size == 3
    assert [model.id for model in (*first.models, *second.models)] == IN_ORDER[5:8]
    assert second.next_page_token == ""


async def test_a_model_is_read_by_its_id(catalog: CatalogServiceAsyncStub) -> None:
    for id in IN_ORDER:
        model = await catalog.GetModel(GetModelRequest(id=id))

        assert (model.id, model.etag, model.schema_version) == (id, "1", SCHEMA_VERSION)
        assert model.last_updated.ToMilliseconds() > 0


async def test_an_unknown_model_is_not_found(catalog: CatalogServiceAsyncStub) -> None:
    for id in ("gpt-2", "claude-3", "GPT-5", "gpt-5 ", "日本" * 50):
        with refused(StatusCode.NOT_FOUND):
            await catalog.GetModel(GetModelRequest(id=id))


async def test_an_id_beyond_its_limits_is_refused(catalog: CatalogServiceAsyncStub) -> None:
    for id in ("", "x" * 101, "gpt-5\0"):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await catalog.GetModel(GetModelRequest(id=id))

        assert refusal.fields == {"id"}


async def test_a_bad_list_request_is_told_everything_that_is_wrong_with_it(catalog: CatalogServiceAsyncStub) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await catalog.ListModels(
            ListModelsRequest(page_size=-1, page_token="x" * 2001, provider=99)  # type: ignore[arg-type]
        )
    with refused(StatusCode.INVALID_ARGUMENT) as too_many:
        await catalog.ListModels(ListModelsRequest(page_size=101))

    assert refusal.fields == {"page_size", "page_token", "provider"}
    assert too_many.fields == {"page_size"}


async def test_a_page_token_serves_the_list_and_the_caller_that_got_it(
    catalog: CatalogServiceAsyncStub, house: House
) -> None:
    token = (await catalog.ListModels(ListModelsRequest(page_size=1))).next_page_token
    foreign = ListModelsRequest(page_token=token, provider=MODEL_PROVIDER_GOOGLE)
    edited = ListModelsRequest(page_token=("A" if token[0] != "A" else "B") + token[1:])

    for request in (foreign, edited, ListModelsRequest(page_token="!?"), ListModelsRequest(page_token="é")):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await catalog.ListModels(request)
        assert refusal.error.reason == "INVALID_PAGE_TOKEN"
    async with sign_in(house.process, CatalogServiceStub, "user_bob") as [bob]:
        with refused(StatusCode.INVALID_ARGUMENT):
            await bob.ListModels(ListModelsRequest(page_token=token))


# What a catalog begins with


@pytest.mark.parametrize("model", initial_models(), ids=lambda model: model.id)
def test_an_initial_model_is_a_complete_document_by_the_protos_own_rules(model: ModelConfig) -> None:
    Validation().check(model)

    for part in ("capabilities", "specs", "ui", "status", "features"):
        assert model.HasField(part)
    assert model.ui.HasField("temperature_options")
    assert model.ui.category
    assert model.capabilities.text
    assert model.features.streaming_supported
    assert model.specs.max_output_tokens
    assert model.requires_api_key == bool(model.api_key_type) == (model.ui.category == MODEL_CATEGORY_CLOUD)
    assert model.status.is_available == (model.id != "gemma2-2b-local")
    if model.requires_api_key:
        assert 0 < model.specs.input_token_cost < model.specs.output_token_cost
        assert model.specs.currency == "USD"


def test_a_cloud_model_in_full() -> None:
    assert by_id("claude-4-opus") == ModelConfig(
        id="claude-4-opus",
        name="Claude 4 Opus",
        provider=MODEL_PROVIDER_ANTHROPIC,
        api_key_type=API_KEY_TYPE_CLAUDE,
        requires_api_key=True,
        capabilities=ModelCapabilities(
            text=True, reasoning=True, coding=True, analysis=True, vision=False, function_calling=True
        ),
        specs=ModelSpecs(
            context_length=200_000,
            max_output_tokens=8_192,
            input_token_cost=0.015,
            output_token_cost=0.075,
            currency="USD",
        ),
        ui=ModelUi(
            temperature_type=TEMPERATURE_TYPE_RANGE,
            temperature_options=TemperatureOptions(min=0, max=1, step=0.1, default=0.7),
            display_order=1,
            color="#FF6B35",
            category=MODEL_CATEGORY_CLOUD,
        ),
        status=ModelAvailability(is_available=True, health_status=HEALTH_STATUS_UNKNOWN),
        features=ModelFeatures(
            streaming_supported=True,
            summary_generation=True,
            title_generation=True,
            requests_per_minute=60,
            requests_per_day=1_000,
            tokens_per_minute=40_000,
        ),
        model_version="claude-opus-4-20250514",
    )


def test_a_local_model_in_full() -> None:
    assert by_id("gemma2-2b-local") == ModelConfig(
        id="gemma2-2b-local",
        name="Gemma2 2B (Local)",
        provider=MODEL_PROVIDER_OLLAMA,
        capabilities=ModelCapabilities(
            text=True, reasoning=True, coding=True, analysis=False, vision=False, function_calling=False
        ),
        specs=ModelSpecs(
            context_length=8_192,
            max_output_tokens=2_048,
            model_size="2B",
            quantization="Q4_0",
            memory_requirement=3,
            disk_space=1.6,
            load_time_estimate=10,
        ),
        ui=ModelUi(
            temperature_type=TEMPERATURE_TYPE_RANGE,
            temperature_options=TemperatureOptions(min=0, max=1, step=0.1, default=0.7),
            display_order=20,
            color="#4285F4",
            category=MODEL_CATEGORY_LOCAL,
        ),
        status=ModelAvailability(
            is_available=False, requires_loading=True, loading_supported=True, health_status=HEALTH_STATUS_UNKNOWN
        ),
        features=ModelFeatures(streaming_supported=True),
        model_version="gemma2:2b",
    )


def test_the_echo_model_says_what_it_is_for() -> None:
    echo = by_id("echo")

    assert "development" in echo.name
    assert (echo.provider, echo.ui.category) == (MODEL_PROVIDER_ECHO, MODEL_CATEGORY_EXPERIMENTAL)
    assert echo.features.title_generation


async def test_a_later_start_adds_what_is_missing_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    async def hide_one_and_remove_another(unit: Unit) -> None:
        hidden = await unit.get(MODELS, "gpt-5")
        hidden.status.is_available = False
        unit.put(MODELS, hidden)
        await unit.get(MODELS, "gpt-4.1")
        unit.delete(MODELS, "gpt-4.1")

    async with open_house(tmp_path, "catalog") as house:
        documents = await documents_of(house, "catalog")
        await documents.unit(hide_one_and_remove_another)
    async with open_house(tmp_path, "catalog") as house:
        documents = await documents_of(house, "catalog")
        models = {model.id: model for model in await documents.query(Query.by_id(MODELS))}
        entries = await journal_entries(house)

    assert sorted(models) == sorted(IN_ORDER)
    assert (models["gpt-5"].status.is_available, models["gpt-5"].etag) == (False, "2")
    assert models["gpt-4.1"].status.is_available
    assert entries == 15 + 2 + 1


async def test_a_later_start_of_a_whole_catalog_writes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_house(tmp_path, "catalog") as house:
            entries = await journal_entries(house)

    assert entries == 15


def by_id(id: str) -> ModelConfig:
    return next(model for model in initial_models() if model.id == id)


async def journal_entries(house: House) -> int:
    documents = await documents_of(house, "catalog")
    return await documents.store.count(Query.by_id(JOURNAL))
