"""What is remembered shows what is: at once in the process that changed it, within a second in every other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode
from grpc.aio import AioRpcError
from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    ListModelsRequest,
    UpsertModelRequest,
)
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemDefaults
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    ListThreadsRequest,
    UpdateThreadRequest,
)
from llmchat.users.v1.user_pb2 import User, UserSettings
from llmchat.users.v1.users_service_pb2 import CreateAccessKeyRequest, DeleteUserRequest, UpdateUserRequest

from libs.common.events.changes import change_channel
from tests.integration.accounts import account, administrator, program
from tests.integration.branching import ask
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house

T = TypeVar("T")


def lookups(house: House, cache: str, found: str) -> float:
    """How often something was looked for in a cache of the house's, and found there."""
    labels = {"cache": cache, "found": found}
    return house.process.metrics.registry.get_sample_value("llmchat_cache_lookups_total", labels) or 0


async def titles(person: Person, **fields: Any) -> list[str]:
    return [thread.title for thread in (await person.threads.ListThreads(ListThreadsRequest(**fields))).threads]


async def create(person: Person, title: str, **fields: Any) -> Thread:
    return await person.threads.CreateThread(CreateThreadRequest(title=title, **fields))


async def rename(person: Person, id: str, title: str) -> None:
    request = UpdateThreadRequest(thread=Thread(id=id, title=title), update_mask=FieldMask(paths=["title"]))
    await person.threads.UpdateThread(request)


async def set_up(person: Person, **settings: Any) -> None:
    user = User(id="me", settings=UserSettings(**settings))
    await person.users.UpdateUser(UpdateUserRequest(user=user, update_mask=FieldMask(paths=["settings"])))


async def change_thread(person: Person, id: str, **settings: Any) -> None:
    thread = Thread(id=id, settings=ThreadSettings(**settings))
    request = UpdateThreadRequest(thread=thread, update_mask=FieldMask(paths=["settings"]))
    await person.threads.UpdateThread(request)


async def configure(root: Person, **defaults: Any) -> None:
    mask = FieldMask(paths=[f"defaults.{name}" for name in defaults])
    config = SystemConfig(defaults=SystemDefaults(**defaults))
    await root.operations.UpdateSystemConfig(UpdateSystemConfigRequest(system_config=config, update_mask=mask))


# In one process


async def test_a_list_is_remembered_until_a_thread_changes(house: House, anna: Person) -> None:
    thread = await create(anna, "Lisbon")
    for _ in range(3):
        assert await titles(anna) == ["Lisbon"]
    assert lookups(house, "thread_lists", "process") == 2

    await rename(anna, thread.id, "Porto")
    assert await titles(anna) == ["Porto"]
    await create(anna, "Oslo")
    assert await titles(anna) == ["Oslo", "Porto"]
    await anna.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
    assert await titles(anna) == ["Oslo"]


async def test_an_answer_moves_its_thread_in_the_list(house: House, anna: Person) -> None:
    first = await create(anna, "first")
    await create(anna, "second")
    assert await titles(anna) == ["second", "first"]

    await ask(anna, first.id, "Hello")

    await eventually(lambda: titles(anna), lambda listed: listed == ["first", "second"])


async def test_nobody_is_shown_the_list_of_another(house: House, anna: Person) -> None:
    bob = await house.person()
    await create(anna, "anna's")
    await create(bob, "bob's")
    for _ in range(2):
        assert await titles(anna) == ["anna's"]
        assert await titles(bob) == ["bob's"]
        assert await titles(await house.person()) == []


async def test_a_page_goes_on_where_a_remembered_one_ended(house: House, anna: Person) -> None:
    for number in range(3):
        await create(anna, f"{number}")
    request = ListThreadsRequest(page_size=2)
    for _ in range(2):
        page = await anna.threads.ListThreads(request)
        assert [thread.title for thread in page.threads] == ["2", "1"]
        assert await titles(anna, page_size=2, page_token=page.next_page_token) == ["0"]
    assert lookups(house, "thread_lists", "process") == 1

    bob = await house.person()
    with refused(StatusCode.INVALID_ARGUMENT):
        await titles(bob, page_size=2, page_token=page.next_page_token)


async def test_what_a_key_may_not_list_it_is_not_shown_from_memory(house: House) -> None:
    ada = await account(house)
    await create(ada, "Lisbon")
    assert await titles(ada) == ["Lisbon"]
    readers = CreateAccessKeyRequest(name="reader", permissions=["thread.list"])
    others = CreateAccessKeyRequest(name="other", permissions=["message.read"])

    async with program(house.address, await ada.users.CreateAccessKey(readers)) as reader:
        assert await titles(reader) == ["Lisbon"]
    async with program(house.address, await ada.users.CreateAccessKey(others)) as other:
        with refused(StatusCode.PERMISSION_DENIED):
            await titles(other)
    assert lookups(house, "thread_lists", "process") == 1


async def test_whose_account_is_deleted_is_shown_nothing_from_memory(house: House) -> None:
    ada = await account(house)
    await create(ada, "Lisbon")
    assert await titles(ada) == ["Lisbon"]

    cache = house.process.cache
    assert cache is not None
    scope = change_channel("threads", ada.user_id)
    before = await cache.look(scope, b"")

    await ada.users.DeleteUser(DeleteUserRequest(id="me"))

    with refused(StatusCode.UNAUTHENTICATED):
        await titles(ada)
    # And nothing is left, whoever might ask.
    await eventually(lambda: cache.look(scope, b""), lambda look: look.version != before.version)


async def test_models_are_remembered_until_one_changes(house: House, anna: Person) -> None:
    async def listed() -> dict[str, ModelConfig]:
        return {model.id: model for model in (await anna.catalog.ListModels(ListModelsRequest())).models}

    async with administrator(house) as root:
        for _ in range(2):
            echo = (await listed())["echo"]
            assert await anna.catalog.GetModel(GetModelRequest(id="echo")) == echo
        assert lookups(house, "model_lists", "process") == lookups(house, "model_answers", "process") == 1

        echo.name = "Parrot"
        await root.catalog.UpsertModel(UpsertModelRequest(model=echo))
        assert (await listed())["echo"].name == "Parrot"
        assert (await anna.catalog.GetModel(GetModelRequest(id="echo"))).name == "Parrot"

        await root.catalog.DeprecateModel(DeprecateModelRequest(id="echo"))
        assert (await listed())["echo"].HasField("deprecated_at")


async def test_a_page_of_models_with_a_token_is_each_callers_own(house: House, anna: Person) -> None:
    bob = await house.person()
    request = ListModelsRequest(page_size=1)
    for person in (anna, bob, anna, bob):
        token = (await person.catalog.ListModels(request)).next_page_token
        assert token
        await person.catalog.ListModels(ListModelsRequest(page_size=1, page_token=token))
    assert lookups(house, "model_lists", "process") == 0


async def test_settings_and_models_are_asked_for_once_in_a_conversation(house: House) -> None:
    ada = await account(house)
    thread = await create(ada, "t")
    for _ in range(3):
        await ask(ada, thread.id, "Hello")
    for cache in ("settings.users", "settings.threads"):
        assert lookups(house, cache, "process") >= 2, cache
        assert lookups(house, cache, "nowhere") <= 1, cache


# In several


@dataclass
class Houses:
    """Two processes on the same documents, with a real Redis between them that remembers for both."""

    one: House
    other: House


@pytest.fixture
async def houses(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Houses]:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    # What is seen within a second is not seen because somebody looked.
    quiet: dict[str, Any] = {
        "bus_url": redis_url,
        "shared_cache": True,
        "pull_interval": 600,
        "redelivery_interval": 600,
    }
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_house(tmp_path / "data", **quiet)) for _ in range(2)]
        yield Houses(*opened)


async def within_a_second(read: Callable[[], Awaitable[T]], expected: T) -> None:
    """Whether it is so a second after it was changed, as it was just now."""
    began = time.monotonic()
    await eventually(read, lambda value: value == expected)
    assert time.monotonic() - began < 1


@pytest.fixture
async def here(houses: Houses) -> Person:
    return await account(houses.one)


@pytest.fixture
async def there(houses: Houses, here: Person) -> Person:
    """The same person at the other process."""
    return await houses.other.person(here.user_id)


async def test_a_list_that_one_remembers_is_found_by_the_other_until_it_changes(
    houses: Houses, here: Person, there: Person
) -> None:
    thread = await create(here, "0")
    await within_a_second(lambda: titles(there), ["0"])
    await within_a_second(lambda: titles(here), ["0"])
    await eventually(lambda: shared_after(titles(there), houses), bool)

    for number in range(1, 20):
        writer, reader = (here, there) if number % 2 else (there, here)
        await rename(writer, thread.id, f"{number}")
        await within_a_second(lambda: titles(reader), [f"{number}"])  # noqa: B023 # awaited at once
        await within_a_second(lambda: titles(writer), [f"{number}"])  # noqa: B023

    await here.threads.DeleteThread(DeleteThreadRequest(id=thread.id))
    await eventually(lambda: titles(there), lambda listed: not listed, within=1)


async def shared_after(reading: Awaitable[object], houses: Houses) -> float:
    """How many lists have been found in Redis once that was read."""
    await reading
    return lookups(houses.other, "thread_lists", "shared")


async def test_nobody_is_shown_the_list_of_another_from_redis(houses: Houses, here: Person, there: Person) -> None:
    await create(here, "theirs")
    bob = await houses.one.person()
    bob_there = await houses.other.person(bob.user_id)
    await create(bob, "bob's")
    for _ in range(3):
        for person, own in ((here, "theirs"), (there, "theirs"), (bob, "bob's"), (bob_there, "bob's")):
            await within_a_second(lambda: titles(person), [own])  # noqa: B023 # awaited at once


async def test_a_model_that_is_changed_here_is_shown_and_talked_with_there(
    houses: Houses, here: Person, there: Person
) -> None:
    thread = await create(here, "t")
    await ask(there, thread.id, "Hello")

    async def name() -> str:
        return (await there.catalog.GetModel(GetModelRequest(id="echo"))).name

    async def listed() -> str:
        models = (await there.catalog.ListModels(ListModelsRequest())).models
        return next(model.name for model in models if model.id == "echo")

    async def is_refused() -> bool:
        try:
            await ask(there, thread.id, "Hello")
        except AioRpcError as error:
            return error.code() is StatusCode.FAILED_PRECONDITION
        return False

    async with administrator(houses.one) as root:
        for number in range(5):
            await listed()
            model = await root.catalog.GetModel(GetModelRequest(id="echo"))
            model.name = f"Parrot {number}"
            await root.catalog.UpsertModel(UpsertModelRequest(model=model))
            await within_a_second(name, model.name)
            await within_a_second(listed, model.name)

        model = await root.catalog.GetModel(GetModelRequest(id="echo"))
        model.status.is_available = False
        await root.catalog.UpsertModel(UpsertModelRequest(model=model))
        await within_a_second(is_refused, True)


async def test_settings_that_are_changed_here_hold_there(houses: Houses, here: Person, there: Person) -> None:
    thread = await create(here, "t")

    async def asked() -> tuple[float, str]:
        answer = await ask(there, thread.id, "Hello")
        return answer.temperature, answer.system_prompt

    await asked()
    async with administrator(houses.one) as root:
        await configure(root, temperature=0.5, system_prompt="system")
    await within_a_second(asked, (0.5, "system"))
    await set_up(here, default_temperature=0.1, system_prompt="person")
    await within_a_second(asked, (0.1, "person"))
    await change_thread(here, thread.id, temperature=0.2, system_prompt="thread")
    await within_a_second(asked, (0.2, "thread"))
    await change_thread(here, thread.id)
    await within_a_second(asked, (0.1, "person"))


async def test_processes_that_share_a_store_remember_no_lists_unless_they_are_to(
    redis_url: str, tmp_path: Path
) -> None:
    async with open_house(tmp_path, bus_url=redis_url) as house:
        anna = await house.person()
        await create(anna, "Lisbon")
        for _ in range(3):
            assert await titles(anna) == ["Lisbon"]
        assert not any(lookups(house, "thread_lists", found) for found in ("process", "shared", "nowhere"))
