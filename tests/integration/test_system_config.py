"""The system configuration: begun by a setting, changed by administrators, in force everywhere within seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest
from llmchat.operations.v1.operations_service_pb2 import (
    GetSystemConfigRequest,
    ListAuditEventsRequest,
    UpdateSystemConfigRequest,
)
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemDefaults, SystemFeatures, SystemLimits
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ListThreadsRequest
from pydantic import SecretStr

from libs.common.access.initial_limits import SEEDS
from services.operations.collections import SYSTEM_CONFIG
from tests.integration.accounts import administrator, operator
from tests.integration.calling import NOBODY, eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import plant
from tests.standins.accounts import registration

GET = GetSystemConfigRequest()
EVERYTHING = SystemFeatures(user_registration=True, model_loading=True, streaming=True, summarization=True)
SEEDED = SystemDefaults(temperature=0.7, model="claude-3.5-sonnet", system_prompt="You are a helpful AI assistant.")
LIST = ListThreadsRequest()


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """Who may change it."""
    async with administrator(house) as root:
        yield root


def update(*paths: str, etag: str = "", request_id: str = "", **limits: int) -> UpdateSystemConfigRequest:
    """A change of the limits; of all that are named, unless paths are."""
    config = SystemConfig(limits=SystemLimits(**limits), etag=etag)
    mask = FieldMask(paths=paths or [f"limits.{name}" for name in limits])
    return UpdateSystemConfigRequest(system_config=config, update_mask=mask, request_id=request_id)


async def test_a_new_installation_begins_with_its_setting_and_keeps_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits='{"max_open_streams": 7}') as house, administrator(house) as root:
        begun = await root.operations.GetSystemConfig(GET)
        assert begun.limits == SystemLimits(**{**SEEDS, "max_open_streams": 7})
        assert begun.features == EVERYTHING
        assert begun.defaults == SEEDED
        assert begun.etag
        assert begun.HasField("created_at")

    async with open_house(tmp_path, limits='{"max_open_streams": 8}') as house:
        token, _ = house.process.tokens.issue_user("operator", True)
        metadata = (("authorization", f"Bearer {token}"),)
        async with aio.insecure_channel(house.address) as channel:
            assert await OperationsServiceStub(channel).GetSystemConfig(GET, metadata=metadata) == begun


async def test_a_change_is_in_force_when_it_is_answered(house: House, root: Person, anna: Person) -> None:
    before = await root.operations.GetSystemConfig(GET)

    after = await root.operations.UpdateSystemConfig(update(max_threads_per_user=1, max_open_streams=3))

    assert after.limits == SystemLimits(max_threads_per_user=1, max_open_streams=3)
    assert after.etag != before.etag
    assert after.created_at == before.created_at
    assert await root.operations.GetSystemConfig(GET) == after
    await anna.threads.CreateThread(CreateThreadRequest())
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        await anna.threads.CreateThread(CreateThreadRequest())
    await root.operations.UpdateSystemConfig(update(max_threads_per_user=0))
    assert await anna.threads.CreateThread(CreateThreadRequest())


async def test_what_was_counted_before_a_change_counts_after_it(root: Person, anna: Person) -> None:
    await root.operations.UpdateSystemConfig(update(requests_per_minute=100))
    for _ in range(3):
        await anna.threads.ListThreads(LIST)

    await root.operations.UpdateSystemConfig(update(requests_per_minute=3))
    with refused(StatusCode.RESOURCE_EXHAUSTED):
        await anna.threads.ListThreads(LIST)

    # By the third call of the administrator's own.
    await root.operations.UpdateSystemConfig(update(requests_per_minute=0))
    assert await anna.threads.ListThreads(LIST) is not None


async def test_a_change_is_on_record_once(root: Person) -> None:
    change = update(requests_per_minute=100, max_open_streams=3, request_id="once")
    answers = [await root.operations.UpdateSystemConfig(change) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]

    found = await eventually(
        lambda: root.operations.ListAuditEvents(ListAuditEventsRequest(action="system_config.update")),
        lambda found: found.audit_events,
    )
    [event] = found.audit_events
    assert (event.actor, event.entity_type, event.entity_id) == (root.user_id, "system_config", "system_config")
    assert list(event.changed_fields) == ["limits.requests_per_minute", "limits.max_open_streams"]


async def test_only_administrators_and_services_see_it_and_only_administrators_change_it(
    house: House, root: Person, anna: Person
) -> None:
    for call in (anna.operations.GetSystemConfig(GET), anna.operations.UpdateSystemConfig(update(max_open_streams=3))):
        with refused(StatusCode.PERMISSION_DENIED):
            await call
    async with aio.insecure_channel(house.address) as channel:
        operations = OperationsServiceStub(channel)
        with refused(StatusCode.UNAUTHENTICATED):
            await operations.GetSystemConfig(GET)

        token, _ = house.process.tokens.issue_service("threads", "", False)
        as_service: dict[str, Any] = {"metadata": (("authorization", f"Bearer {token}"),)}
        assert await operations.GetSystemConfig(GET, **as_service) == await root.operations.GetSystemConfig(GET)
        with refused(StatusCode.PERMISSION_DENIED):
            await operations.UpdateSystemConfig(update(max_open_streams=3), **as_service)


async def test_of_two_changes_on_the_strength_of_one_reading_the_later_is_refused(root: Person) -> None:
    read = await root.operations.GetSystemConfig(GET)
    await root.operations.UpdateSystemConfig(update(max_open_streams=3, etag=read.etag))

    with refused(StatusCode.ABORTED) as refusal:
        await root.operations.UpdateSystemConfig(update(max_open_streams=4, etag=read.etag))

    assert refusal.error.reason == "STALE_ETAG"
    assert (await root.operations.GetSystemConfig(GET)).limits.max_open_streams == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (update(max_open_streams=-1), "system_config.limits.max_open_streams"),
        (update("id", max_open_streams=1), "update_mask"),
        (update("etag", max_open_streams=1), "update_mask"),
        (update("created_at", max_open_streams=1), "update_mask"),
        (update("limits.most_wishes", max_open_streams=1), "update_mask"),
        (UpdateSystemConfigRequest(system_config=SystemConfig(), update_mask=FieldMask()), "update_mask"),
        (UpdateSystemConfigRequest(update_mask=FieldMask(paths=["limits"])), "system_config"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_nothing_changes(
    root: Person, change: UpdateSystemConfigRequest, field: str
) -> None:
    before = await root.operations.GetSystemConfig(GET)

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await root.operations.UpdateSystemConfig(change)

    assert refusal.fields == {field}
    assert await root.operations.GetSystemConfig(GET) == before


async def test_another_process_hears_of_a_change_by_the_bus(redis_url: str, tmp_path: Path) -> None:
    # Nobody looks in between.
    settings: dict[str, Any] = {"bus_url": redis_url, "pull_interval": 600}
    async with (
        open_house(tmp_path, **settings) as one,
        open_house(tmp_path, **settings) as other,
        administrator(one) as root,
    ):
        anna = await other.person()
        await until_it_follows(root, other)

        await root.operations.UpdateSystemConfig(update(max_threads_per_user=1))

        await eventually(lambda: limits_of(other), lambda limits: limits.max_threads_per_user == 1)
        await anna.threads.CreateThread(CreateThreadRequest())
        with refused(StatusCode.RESOURCE_EXHAUSTED):
            await anna.threads.CreateThread(CreateThreadRequest())


async def test_another_process_asks_before_it_serves_and_then_again(tmp_path: Path) -> None:
    async with open_house(tmp_path / "here") as house, administrator(house) as root:
        await root.operations.UpdateSystemConfig(update(max_threads_per_user=1))
        where: dict[str, Any] = {f"{name}_address": house.address for name in ("users", "operations")}
        secret_key = SecretStr((tmp_path / "here" / "secret.key").read_text())
        # With a bus of its own, it hears nothing.
        async with open_house(tmp_path / "elsewhere", "threads", secret_key=secret_key, **where) as elsewhere:
            assert (await limits_of(elsewhere)).max_threads_per_user == 1

            await root.operations.UpdateSystemConfig(update(max_threads_per_user=2))
            await eventually(lambda: limits_of(elsewhere), lambda limits: limits.max_threads_per_user == 2)


async def test_a_process_that_hears_of_nothing_goes_by_its_setting(tmp_path: Path) -> None:
    alone = open_house(tmp_path, "threads", limits='{"max_threads_per_user": 1}', operations_address=NOBODY)
    async with alone as house:
        anna = await house.person()
        await anna.threads.CreateThread(CreateThreadRequest())
        with refused(StatusCode.RESOURCE_EXHAUSTED):
            await anna.threads.CreateThread(CreateThreadRequest())


async def test_a_configuration_of_before_is_completed_at_the_start_and_keeps_what_it_says(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await plant(house, "operations", SYSTEM_CONFIG, SystemConfig(id="system_config", limits=SystemLimits()))
    async with open_house(tmp_path) as house, operator(house) as root:
        completed = await root.operations.GetSystemConfig(GET)
        assert completed.limits == SystemLimits()
        assert completed.features == EVERYTHING
        assert completed.defaults == SEEDED
        assert house.process.config.current == completed
    async with open_house(tmp_path) as house, operator(house) as root:
        assert await root.operations.GetSystemConfig(GET) == completed, "once"


async def test_features_and_defaults_are_changed_one_by_one(house: House, root: Person) -> None:
    off = change("features.streaming", features=SystemFeatures())
    after = await root.operations.UpdateSystemConfig(off)
    assert after.features == SystemFeatures(user_registration=True, model_loading=True, summarization=True)
    assert after.defaults == SEEDED

    mine = SystemDefaults(temperature=0, model="echo", system_prompt="")
    after = await root.operations.UpdateSystemConfig(change("defaults", defaults=mine))
    assert after.defaults == mine
    assert house.process.config.current == after

    # Named without a value: no feature at all; what conversations begin with they begin with again.
    after = await root.operations.UpdateSystemConfig(change("features", "defaults"))
    assert (after.features, after.defaults) == (SystemFeatures(), SEEDED)


async def test_a_default_model_is_one_that_is_in_use(root: Person) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await root.operations.UpdateSystemConfig(change("defaults.model", defaults=SystemDefaults(model="gpt-0")))
    assert refusal.fields == {"system_config.defaults.model"}

    await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-4.1", replacement_id="gpt-5"))
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await root.operations.UpdateSystemConfig(change("defaults", defaults=SystemDefaults(model="gpt-4.1")))
    assert refusal.error.reason == "MODEL_UNAVAILABLE"
    assert (await root.operations.GetSystemConfig(GET)).defaults == SEEDED


async def test_a_default_model_that_is_deprecated_gives_way(house: House, root: Person) -> None:
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="claude-3.5-sonnet", replacement_id="claude-4-sonnet"))
    await eventually(
        lambda: root.operations.GetSystemConfig(GET), lambda config: config.defaults.model == "claude-4-sonnet"
    )
    assert house.process.config.current.defaults.model == "claude-4-sonnet"

    # Where nothing replaces it it stays, and all else may be changed.
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="claude-4-sonnet"))
    await root.operations.UpdateSystemConfig(update(max_open_streams=3))
    await root.operations.UpdateSystemConfig(change("defaults.temperature", defaults=SystemDefaults(temperature=0.5)))
    assert (await root.operations.GetSystemConfig(GET)).defaults.model == "claude-4-sonnet"


async def test_who_has_no_account_opens_none_while_an_administrator_does_that(house: House, root: Person) -> None:
    async with house.visit() as nobody, house.visit() as bob:
        first = registration("ada@example.org", request_id="once")
        ada = await nobody.users.CreateUser(first)
        await root.operations.UpdateSystemConfig(change("features.user_registration", features=SystemFeatures()))

        for caller in (nobody, bob):
            with refused(StatusCode.FAILED_PRECONDITION) as refusal:
                await caller.users.CreateUser(registration("bob@example.org"))
            assert refusal.error.reason == "REGISTRATION_CLOSED"
        assert await nobody.users.CreateUser(first) == ada, "a repeat of what was answered before"
        assert (await root.users.CreateUser(registration("bob@example.org"))).username == "bob@example.org"

        await root.operations.UpdateSystemConfig(change("features", features=EVERYTHING))
        await nobody.users.CreateUser(registration("carol@example.org"))


async def test_new_accounts_show_the_defaults_of_the_system(house: House, root: Person) -> None:
    mine = SystemDefaults(temperature=0.2, model="gpt-5", system_prompt="Be brief.")
    await root.operations.UpdateSystemConfig(change("defaults", defaults=mine))
    async with house.visit() as nobody:
        settings = (await nobody.users.CreateUser(registration("ada@example.org"))).settings
    assert (settings.default_model, settings.default_temperature, settings.system_prompt) == ("gpt-5", 0.2, "Be brief.")


async def test_a_changed_setting_is_seen_by_every_replica_within_a_second(redis_url: str, tmp_path: Path) -> None:
    # Nobody looks in between.
    settings: dict[str, Any] = {"bus_url": redis_url, "pull_interval": 600}
    async with (
        open_house(tmp_path, **settings) as one,
        open_house(tmp_path, **settings) as other,
        administrator(one) as root,
    ):
        await until_it_follows(root, other)
        took = []
        for number in range(10):
            closed = change("features.user_registration", features=SystemFeatures(user_registration=number % 2 == 0))
            after = await root.operations.UpdateSystemConfig(closed)
            answered = time.monotonic()
            await eventually(lambda: config_of(other), partial(eq, after), within=1.0)
            took.append(time.monotonic() - answered)
        print(f"seen elsewhere after {1000 * max(took):.1f} ms at most")  # noqa: T201


async def config_of(house: House) -> SystemConfig:
    """What the process goes by."""
    return house.process.config.current


def change(*paths: str, **parts: Any) -> UpdateSystemConfigRequest:
    """A change of what the paths name."""
    return UpdateSystemConfigRequest(system_config=SystemConfig(**parts), update_mask=FieldMask(paths=paths))


async def limits_of(house: House) -> SystemLimits:
    """Those that the process goes by."""
    return house.process.limits.current


async def until_it_follows(root: Person, house: House) -> None:
    """Changes something until the house hears of it: its subscription stands."""
    async with asyncio.timeout(10):
        number = 1
        while (await limits_of(house)).requests_per_hour < 10**6:
            number += 1
            await root.operations.UpdateSystemConfig(update(requests_per_hour=10**6 + number))
            await asyncio.sleep(0.02)
