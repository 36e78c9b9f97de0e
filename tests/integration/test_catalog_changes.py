"""UpsertModel and RemoveModel: administrators put models into the catalog, change them there, and take them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    ListModelsRequest,
    RemoveModelRequest,
    UpsertModelRequest,
)
from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DOWN,
    HEALTH_STATUS_UNKNOWN,
    MODEL_PROVIDER_ECHO,
    ModelAvailability,
    ModelConfig,
    ModelSpecs,
    ModelUi,
)
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest, ListAuditEventsResponse
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.clock import timestamp
from libs.common.errors import DomainError
from libs.common.rpc.status import from_rpc_error
from services.catalog.collections import MODELS
from tests.integration.accounts import administrator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person
from tests.integration.planting import plant
from tests.integration.watching import watch


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """Who looks after the catalog."""
    async with administrator(house) as root:
        yield root


def parrot(id: str = "parrot", order: int = 50, **fields: Any) -> ModelConfig:
    """A model that the house can talk with: another one that repeats what it is told."""
    return ModelConfig(
        id=id,
        name="Parrot",
        provider=MODEL_PROVIDER_ECHO,
        specs=ModelSpecs(context_length=65_536, max_output_tokens=32_768),
        ui=ModelUi(display_order=order),
        status=ModelAvailability(is_available=True),
        **fields,
    )


async def put(root: Person, model: ModelConfig, request_id: str = "") -> ModelConfig:
    return await root.catalog.UpsertModel(UpsertModelRequest(model=model, request_id=request_id))


async def listed(person: Person, page_size: int = 100, **fields: Any) -> list[str]:
    """The ids of all pages."""
    ids: list[str] = []
    request = ListModelsRequest(page_size=page_size, **fields)
    while True:
        page = await person.catalog.ListModels(request)
        ids += [model.id for model in page.models]
        request.page_token = page.next_page_token
        if not request.page_token:
            return ids


# Putting


async def test_a_new_model_is_talked_with_and_a_changed_one_at_once(root: Person, anna: Person) -> None:
    created = await put(root, parrot())

    assert (created.etag, created.status.health_status) == ("1", HEALTH_STATUS_UNKNOWN)
    assert created.HasField("last_updated")
    assert await anna.catalog.GetModel(GetModelRequest(id="parrot")) == created
    thread_id = (await anna.threads.CreateThread(CreateThreadRequest())).id
    question = SendMessageRequest(thread_id=thread_id, model_id="parrot", content="hello")
    assert (await watch(anna.messages.SendMessage(question))).text == "hello"

    hidden = parrot()
    hidden.status.is_available = False
    await put(root, hidden)

    async def refusal() -> DomainError | None:
        try:
            await watch(anna.messages.SendMessage(question))
        except aio.AioRpcError as error:
            return from_rpc_error(error)
        return None

    error = await eventually(refusal, lambda error: error is not None)
    assert error is not None
    assert error.reason == "MODEL_UNAVAILABLE"


async def test_a_model_is_put_whole_but_for_what_the_catalog_keeps_itself(root: Person) -> None:
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano", replacement_id="gpt-5"))
    stored = await root.catalog.GetModel(GetModelRequest(id="gpt-5-nano"))
    claimed = parrot(
        "gpt-5-nano",
        replacement_id="echo",
        removed_at=timestamp(1),
        last_updated=timestamp(1),
        schema_version=77,
    )
    claimed.status.MergeFrom(
        ModelAvailability(
            last_health_check=timestamp(1), health_status=HEALTH_STATUS_DOWN, response_time_ms=1, error_rate=99
        )
    )

    changed = await put(root, claimed)

    assert (changed.name, changed.provider) == ("Parrot", MODEL_PROVIDER_ECHO)
    assert not changed.HasField("features"), "what is left out is not there any more"
    assert changed.status == stored.status, "deprecated, and therefore not available"
    assert changed.deprecated_at == stored.deprecated_at
    assert not changed.HasField("removed_at")
    assert changed.replacement_id == "gpt-5"
    assert changed.last_updated.ToMilliseconds() >= stored.last_updated.ToMilliseconds() > 1
    assert (changed.schema_version, changed.etag) == (stored.schema_version, str(int(stored.etag) + 1))


async def test_a_change_on_the_strength_of_a_stale_etag_is_refused(root: Person) -> None:
    read = await root.catalog.GetModel(GetModelRequest(id="gpt-5"))
    await put(root, read)

    with refused(StatusCode.ABORTED) as refusal:
        await put(root, read)
    assert refusal.error.reason == "STALE_ETAG"
    with refused(StatusCode.ABORTED):
        await put(root, parrot("new", etag="1"))

    read.etag = ""
    assert (await put(root, read)).etag == "3"


async def test_a_repeat_gets_the_first_answer(root: Person) -> None:
    first = await put(root, parrot(), "once")
    await put(root, parrot(order=60))

    assert await put(root, parrot(), "once") == first
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await put(root, parrot("macaw"), "once")
    assert refusal.error.reason == "REQUEST_ID_REUSED"


async def test_new_ids_are_plain_and_old_ones_stay_as_they_are(root: Person, house: House) -> None:
    for id in ("Parrot", "par rot", "par_rot", "-parrot", "parrot.", "llama3:8b", "papageiß"):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await put(root, parrot(id))
        assert refusal.fields == {"model.id"}
    for id in ("p", "parrot-2.5", "7b"):
        assert (await put(root, parrot(id))).id == id

    await plant(house, "catalog", MODELS, parrot("Old_Parrot"))
    assert (await put(root, parrot("Old_Parrot", order=7))).ui.display_order == 7


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({"apiKeyType": "API_KEY_TYPE_OPENAI"}, {"model.api_key_type"}),
        ({"provider": "MODEL_PROVIDER_GOOGLE", "apiKeyType": "API_KEY_TYPE_CLAUDE"}, {"model.api_key_type"}),
        ({"provider": "MODEL_PROVIDER_OPENAI", "requiresApiKey": True}, {"model.requires_api_key"}),
        ({"requiresApiKey": True}, {"model.requires_api_key"}),
        ({"specs": {"contextLength": 0}}, {"model.specs.context_length"}),
        ({"specs": {"contextLength": 100, "maxOutputTokens": 100}}, {"model.specs.max_output_tokens"}),
        ({"specs": {"contextLength": 9, "memoryRequirement": "NaN"}}, {"model.specs.memory_requirement"}),
        (
            {"ui": {"temperatureType": "TEMPERATURE_TYPE_RANGE", "temperatureOptions": {"min": 0.5, "max": 1}}},
            {"model.ui.temperature_options"},
        ),
        (
            {"ui": {"temperatureType": "TEMPERATURE_TYPE_RANGE", "temperatureOptions": {"min": 0.7, "max": 0.2}}},
            {"model.ui.temperature_options"},
        ),
        (
            {"ui": {"temperatureType": "TEMPERATURE_TYPE_RANGE", "temperatureOptions": {"default": 0.5}}},
            {"model.ui.temperature_options"},
        ),
        (
            {"ui": {"temperatureType": "TEMPERATURE_TYPE_ENUM", "temperatureOptions": {"values": [1]}}},
            {"model.ui.temperature_options.default"},
        ),
        ({"ui": {"temperatureOptions": {"default": 0.5}}}, {"model.ui.temperature_type"}),
        ({"status": {"requiresLoading": True}}, {"model.status.requires_loading"}),
        (
            {"apiKeyType": "API_KEY_TYPE_OPENAI", "status": {"loadingSupported": True}},
            {"model.api_key_type", "model.status.loading_supported"},
        ),
    ],
)
async def test_what_does_not_go_together_is_refused(root: Person, fields: dict[str, Any], broken: set[str]) -> None:
    model = ParseDict(
        {"id": "it", "name": "It", "provider": "MODEL_PROVIDER_ECHO", "specs": {"contextLength": 9}, **fields},
        ModelConfig(),
    )

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await put(root, model)

    assert refusal.fields == broken


async def test_every_model_that_a_catalog_begins_with_can_be_put_as_it_is(root: Person) -> None:
    for model in (await root.catalog.ListModels(ListModelsRequest())).models:
        assert (await put(root, model)).etag == "2"


async def test_it_is_for_administrators(anna: Person) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await put(anna, parrot())
    with refused(StatusCode.PERMISSION_DENIED):
        await anna.catalog.RemoveModel(RemoveModelRequest(id="echo"))


# Listing


async def test_pages_join_where_many_models_have_the_same_place(root: Person) -> None:
    before = await listed(root)
    ids = [f"parrot-{number}" for number in range(7)]
    for id in reversed(ids):
        await put(root, parrot(id, order=9))

    among = await listed(root)
    # `gpt-5` has that place, too; the id decides.
    assert [id for id in among if id not in ids] == before
    start = among.index("gpt-5")
    assert among[start : start + 8] == ["gpt-5", *ids]
    for page_size in (1, 2, 3, 7):
        assert await listed(root, page_size) == among
    assert await listed(root, 2, provider=MODEL_PROVIDER_ECHO) == [*ids, "echo"]


# Removing


async def test_a_removed_model_is_in_no_list_and_what_was_said_with_it_stays(root: Person, anna: Person) -> None:
    await put(root, parrot())
    thread_id = (await anna.threads.CreateThread(CreateThreadRequest())).id
    await watch(anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="parrot", content="hello")))
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await root.catalog.RemoveModel(RemoveModelRequest(id="parrot"))
    assert refusal.error.reason == "MODEL_IN_USE"
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="parrot", replacement_id="echo"))
    assert "parrot" in await listed(anna)

    removed = await root.catalog.RemoveModel(RemoveModelRequest(id="parrot"))

    assert removed.HasField("removed_at")
    assert "parrot" not in await listed(anna)
    assert await listed(anna, provider=MODEL_PROVIDER_ECHO) == ["echo"]
    assert (await anna.catalog.ListModels(ListModelsRequest(count_total=True))).total_size == 15
    assert await anna.catalog.GetModel(GetModelRequest(id="parrot")) == removed
    messages = (await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id))).messages
    assert [message.model_id for message in messages] == ["parrot", "parrot"]
    assert await root.catalog.RemoveModel(RemoveModelRequest(id="parrot")) == removed, "what is removed stays as it is"
    with refused(StatusCode.NOT_FOUND):
        await root.catalog.RemoveModel(RemoveModelRequest(id="no-such-model"))


async def test_a_removed_model_may_be_edited_and_stays_removed(root: Person) -> None:
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-4.1"))
    removed = await root.catalog.RemoveModel(RemoveModelRequest(id="gpt-4.1"))

    changed = await put(root, parrot("gpt-4.1"))

    assert changed.name == "Parrot"
    assert (changed.deprecated_at, changed.removed_at) == (removed.deprecated_at, removed.removed_at)
    assert not changed.status.is_available
    assert "gpt-4.1" not in await listed(root)


# On record


async def test_what_is_done_to_models_is_on_record_once(root: Person) -> None:
    await put(root, parrot(), "once")
    await put(root, parrot(), "once")
    renamed = parrot(order=60)
    renamed.name = "Macaw"
    await put(root, renamed)
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="parrot"))
    for _ in range(2):
        await root.catalog.RemoveModel(RemoveModelRequest(id="parrot"))

    async def record() -> ListAuditEventsResponse:
        request = ListAuditEventsRequest(entity_type="model", entity_id="parrot")
        return await root.operations.ListAuditEvents(request)

    events = (await eventually(record, lambda found: len(found.audit_events) >= 4)).audit_events
    assert {(event.action, tuple(event.changed_fields)) for event in events} == {
        ("model.update", ("id", "name", "provider", "specs", "ui", "status")),
        ("model.update", ("name", "ui")),
        ("model.deprecate", ("deprecated_at", "replacement_id", "status.is_available")),
        ("model.remove", ("removed_at",)),
    }
    assert len(events) == 4
    assert {event.actor for event in events} == {root.user_id}
