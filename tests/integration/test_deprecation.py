"""DeprecateModel: a model takes no new work, its history stays, and who preferred it moves on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest, GetModelRequest, ListModelsRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest
from llmchat.threads.v1.thread_pb2 import MODEL_USAGE_STATUS_ARCHIVED, Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest
from llmchat.users.v1.user_pb2 import User, UserSettings
from llmchat.users.v1.users_service_pb2 import GetUserRequest, UpdateUserRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.errors import DomainError, Precondition
from libs.common.rpc.status import from_rpc_error
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.conftest import House, Person
from tests.integration.watching import watch
from tests.standins.accounts import registration


@pytest.fixture
async def admin(house: House) -> AsyncIterator[SignedIn]:
    """Somebody who looks after the catalog."""
    async with aio.insecure_channel(house.address) as channel:
        yield SignedIn(CatalogServiceStub(channel), house.process.tokens.issue_user("admin", True)[0])


async def register(house: House, username: str, default_model: str = "") -> Person:
    settings = UserSettings(default_model=default_model or None)
    async with aio.insecure_channel(house.address) as channel:
        user = await UsersServiceStub(channel).CreateUser(registration(username, settings=settings))
    return await house.person(user.id)


async def default_of(person: Person) -> str:
    return (await person.users.GetUser(GetUserRequest(id="me"))).settings.default_model


async def test_a_deprecated_model_is_not_available_and_names_what_replaces_it(admin: SignedIn, anna: Person) -> None:
    request = DeprecateModelRequest(id="gpt-5-mini", replacement_id="gpt-5")

    deprecated = await admin.DeprecateModel(request)

    assert deprecated.HasField("deprecated_at")
    assert not deprecated.status.is_available
    assert deprecated.replacement_id == "gpt-5"
    assert await anna.catalog.GetModel(GetModelRequest(id="gpt-5-mini")) == deprecated
    again = await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5-mini", replacement_id="gpt-5-nano"))
    assert again == deprecated, "what is deprecated stays as it is"


async def test_a_deprecated_model_takes_no_new_questions(admin: SignedIn, anna: Person) -> None:
    """From that moment on, though it has just been used."""
    thread_id = (await anna.threads.CreateThread(CreateThreadRequest(title="t"))).id
    question = SendMessageRequest(thread_id=thread_id, model_id="echo", content="hello", request_id="first")
    answered = await watch(anna.messages.SendMessage(question))

    await admin.DeprecateModel(DeprecateModelRequest(id="echo", replacement_id="gpt-5"))

    async def refusal() -> DomainError | None:
        try:
            await watch(
                anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content="?"))
            )
        except aio.AioRpcError as error:
            return from_rpc_error(error)
        return None

    error = await eventually(refusal, lambda error: error is not None)
    assert isinstance(error, Precondition)
    assert (error.reason, error.metadata) == ("MODEL_UNAVAILABLE", {"replacement_id": "gpt-5"})
    repeated = await watch(anna.messages.SendMessage(question))
    assert (repeated.message_id, repeated.text) == (answered.message_id, "hello"), (
        "a repeat gets the first one's answer"
    )


async def test_only_a_model_in_use_replaces_another(admin: SignedIn, anna: Person) -> None:
    await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano"))

    with refused(StatusCode.INVALID_ARGUMENT) as itself:
        await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5", replacement_id="gpt-5"))
    assert itself.fields == {"replacement_id"}
    with refused(StatusCode.FAILED_PRECONDITION) as deprecated:
        await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5", replacement_id="gpt-5-nano"))
    assert deprecated.error.reason == "MODEL_UNAVAILABLE"
    with refused(StatusCode.NOT_FOUND):
        await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5", replacement_id="no-such-model"))
    with refused(StatusCode.NOT_FOUND):
        await admin.DeprecateModel(DeprecateModelRequest(id="no-such-model"))
    with refused(StatusCode.PERMISSION_DENIED):
        await anna.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5"))
    assert not (await anna.catalog.GetModel(GetModelRequest(id="gpt-5"))).HasField("deprecated_at")


async def test_of_models_that_are_to_replace_each_other_at_the_same_time_one_stays_in_use(
    admin: SignedIn, anna: Person
) -> None:
    async def deprecate(id: str, replacement_id: str) -> str:
        try:
            await admin.DeprecateModel(DeprecateModelRequest(id=id, replacement_id=replacement_id))
        except aio.AioRpcError as error:
            return from_rpc_error(error).reason
        return ""

    models = [model.id for model in (await anna.catalog.ListModels(ListModelsRequest())).models]
    pairs, ring = list(zip(models[0:10:2], models[1:10:2], strict=True)), models[10:]
    for one, other in pairs:
        both = await asyncio.gather(deprecate(one, other), deprecate(other, one))
        assert sorted(both) == ["", "MODEL_UNAVAILABLE"]
    results = await asyncio.gather(*(deprecate(id, ring[number - 1]) for number, id in enumerate(ring)))
    assert results.count("") < len(ring)
    listed = (await anna.catalog.ListModels(ListModelsRequest())).models
    assert any(not model.HasField("deprecated_at") for model in listed if model.id in ring)


async def test_a_thread_moves_to_the_last_of_a_chain_and_keeps_what_was_said(admin: SignedIn, anna: Person) -> None:
    thread_id = (await anna.threads.CreateThread(CreateThreadRequest(title="t"))).id
    await watch(anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content="hello")))

    async def thread() -> Thread:
        return await anna.threads.GetThread(GetThreadRequest(id=thread_id))

    before = await eventually(thread, lambda thread: list(thread.active_models) == ["echo"])

    await admin.DeprecateModel(DeprecateModelRequest(id="echo", replacement_id="gpt-5-mini"))
    await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5-mini", replacement_id="gpt-5"))

    after = await eventually(thread, lambda thread: list(thread.active_models) == ["gpt-5"])
    assert after.models["echo"].status == MODEL_USAGE_STATUS_ARCHIVED
    assert after.models["echo"].total_tokens_used == before.models["echo"].total_tokens_used > 0
    assert after.updated_at == before.updated_at
    assert len((await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id))).messages) == 2


async def test_people_move_with_their_default_model(admin: SignedIn, house: House) -> None:
    ada = await register(house, "ada@example.org", "gpt-5-nano")
    bob = await register(house, "bob@example.org", "gpt-5-mini")

    await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano", replacement_id="gpt-5"))
    assert await eventually(lambda: default_of(ada), lambda model: model != "gpt-5-nano") == "gpt-5"
    assert await default_of(bob) == "gpt-5-mini"

    # A gateway that has not heard of it yet.
    assert await default_of(await register(house, "eve@example.org", "gpt-5-nano")) == "gpt-5"
    changed = User(id="me", settings=UserSettings(default_model="gpt-5-nano"))
    mask = FieldMask(paths=["settings.default_model"])
    updated = await bob.users.UpdateUser(UpdateUserRequest(user=changed, update_mask=mask))
    assert updated.settings.default_model == "gpt-5"


async def test_who_preferred_what_nothing_replaces_gets_the_houses_default(admin: SignedIn, house: House) -> None:
    ada = await register(house, "ada@example.org", "gpt-5-nano")
    bob = await register(house, "bob@example.org")

    await admin.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano"))
    house_default = await eventually(lambda: default_of(ada), lambda model: model != "gpt-5-nano")
    assert house_default == await default_of(bob) == "claude-3.5-sonnet"

    await admin.DeprecateModel(DeprecateModelRequest(id=house_default, replacement_id="claude-4-sonnet"))
    for person in (ada, bob):
        await eventually(lambda person=person: default_of(person), lambda model: model == "claude-4-sonnet")  # type: ignore[misc]
    assert await default_of(await register(house, "eve@example.org")) == "claude-4-sonnet"
