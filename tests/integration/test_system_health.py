"""How everything is: asked at once, and what does not answer is shown as that.

Where makers of models are asked they are stood in for, and with them the messages service, which asks them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.catalog.v1.catalog_service_pb2 import GetProviderHealthRequest
from llmchat.catalog.v1.model_config_pb2 import (
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    ModelProvider,
)
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_LOAD_MODEL,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import GetSystemHealthRequest
from llmchat.operations.v1.system_health_pb2 import (
    OLLAMA_STATUS_ERROR,
    OLLAMA_STATUS_LOADING,
    OLLAMA_STATUS_READY,
    OLLAMA_STATUS_UNAVAILABLE,
    PART_STATUS_DEGRADED,
    PART_STATUS_DOWN,
    PART_STATUS_HEALTHY,
    ServiceHealth,
    SystemHealth,
)
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.system import LEASES, OUTBOX
from services.operations.collections import OPERATIONS
from tests.integration.accounts import operator
from tests.integration.calling import NOBODY, eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import plant
from tests.standins.makers import StandInMakers, serve_makers

SERVICES = ["catalog", "messages", "operations", "threads", "users"]


async def health_of(root: Person) -> SystemHealth:
    return await root.operations.GetSystemHealth(GetSystemHealthRequest())


def by_name(health: SystemHealth) -> dict[str, ServiceHealth]:
    return {service.service: service for service in health.services}


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Where everybody is let in and nobody is answered."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()


async def test_a_house_that_is_well_says_so(house: House) -> None:
    async with operator(house) as root:
        health = await health_of(root)
    assert health.status == PART_STATUS_HEALTHY
    assert [(one.service, one.status) for one in health.services] == [(name, PART_STATUS_HEALTHY) for name in SERVICES]
    assert all(one.store_latency_ms > 0 and not one.last_error for one in health.services)
    assert (health.bus.status, health.bus.is_shared) == (PART_STATUS_HEALTHY, False)
    assert not health.bus.HasField("latency_ms")
    # Nobody has a key for any.
    assert not health.external_apis
    assert health.HasField("checked_at")


async def test_what_waits_for_a_person_is_in_sight(house: House) -> None:
    parked = OutboxEvent(id="event_1.messages", type="generation.finished", is_parked=True, waiting_for=["threads"])
    await plant(house, "messages", OUTBOX, parked)
    async with operator(house) as root:
        health = await health_of(root)
    assert health.status == PART_STATUS_DEGRADED
    messages = by_name(health)["messages"]
    assert (messages.status, messages.unsettled_events, messages.parked_events) == (PART_STATUS_DEGRADED, 1, 1)
    assert messages.last_error == "events that wait for a person: 1"
    assert by_name(health)["threads"].status == PART_STATUS_HEALTHY


async def test_a_service_that_is_away_is_down_and_the_others_are_shown(tmp_path: Path) -> None:
    async with silent_server() as silent:
        house_without = open_house(tmp_path, "users", "operations", "catalog", threads_address=silent)
        async with house_without as house, operator(house) as root:
            begun = time.monotonic()
            health = await health_of(root)
            took = time.monotonic() - begun
    assert health.status == PART_STATUS_DOWN
    shown = by_name(health)
    assert [shown[name].status for name in SERVICES] == [
        PART_STATUS_HEALTHY,
        PART_STATUS_DOWN,
        PART_STATUS_HEALTHY,
        PART_STATUS_DOWN,
        PART_STATUS_HEALTHY,
    ]
    assert shown["messages"].last_error
    assert shown["threads"].last_error
    # Two seconds for each, side by side, on a machine that may be busy.
    assert took < 8


async def test_a_shared_bus_tells_how_long_it_takes(tmp_path: Path, redis_url: str) -> None:
    async with open_house(tmp_path, bus_url=redis_url) as house, operator(house) as root:
        health = await eventually(partial(health_of, root), lambda health: health.bus.HasField("latency_ms"))
    assert (health.bus.is_shared, health.bus.status) == (True, PART_STATUS_HEALTHY)
    assert health.bus.latency_ms > 0


async def test_a_bus_that_is_away_is_down(tmp_path: Path) -> None:
    async with open_house(tmp_path, bus_url=f"redis://{NOBODY}") as house, operator(house) as root:
        health = await health_of(root)
    assert (health.bus.is_shared, health.bus.status) == (True, PART_STATUS_DOWN)
    assert health.status == PART_STATUS_DOWN
    assert {service.status for service in health.services} == {PART_STATUS_HEALTHY}


async def test_makers_of_models_are_as_the_catalog_found_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")
    async with serve_makers() as makers:
        served = ("catalog", "users", "operations")
        opened = open_house(tmp_path, *served, messages_address=makers.address)
        async with opened as house, operator(house) as root:
            makers.answer(MODEL_PROVIDER_OPENAI, latency_ms=120)
            makers.answer(MODEL_PROVIDER_ANTHROPIC, error="INVALID_API_KEY")
            await ask(root, MODEL_PROVIDER_OPENAI)
            await ask(root, MODEL_PROVIDER_ANTHROPIC, times=3)

            apis = (await health_of(root)).external_apis
            assert set(apis) == {"openai", "anthropic"}
            openai, anthropic = apis["openai"], apis["anthropic"]
            assert (openai.is_reachable, openai.latency_ms, openai.error_count) == (True, 120, 0)
            assert openai.HasField("last_check")
            assert (anthropic.is_reachable, anthropic.error_count) == (False, 3)
            assert anthropic.last_error == "INVALID_API_KEY"

            await ollama_is_shown(house, root, makers)


async def ollama_is_shown(house: House, root: Person, makers: StandInMakers) -> None:
    assert not (await health_of(root)).HasField("ollama"), "nothing is known of it"
    makers.answer(MODEL_PROVIDER_OLLAMA, "gemma2:2b")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    assert (await health_of(root)).ollama.status == OLLAMA_STATUS_READY

    loading = Operation(id="op_1", type=OPERATION_TYPE_LOAD_MODEL, status=OPERATION_STATUS_RUNNING)
    # As one that another process works on.
    lease = Lease(id="op_1", holder=house.process.replica, expires_at=timestamp(wall_clock() + 60_000))
    await plant(house, "operations", LEASES, lease)
    await plant(house, "operations", OPERATIONS, loading)
    assert (await health_of(root)).ollama.status == OLLAMA_STATUS_LOADING

    makers.answer(MODEL_PROVIDER_OLLAMA, error="OVERLOADED")
    await ask(root, MODEL_PROVIDER_OLLAMA)
    failing = (await health_of(root)).ollama
    assert (failing.status, failing.last_error) == (OLLAMA_STATUS_ERROR, "OVERLOADED")
    await ask(root, MODEL_PROVIDER_OLLAMA, times=2)
    assert (await health_of(root)).ollama.status == OLLAMA_STATUS_UNAVAILABLE


async def ask(root: Person, provider: ModelProvider, times: int = 1) -> None:
    for _ in range(times):
        await root.catalog.GetProviderHealth(GetProviderHealthRequest(provider=provider, now=True))


async def test_it_is_for_administrators(anna: Person) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await health_of(anna)
