"""How often other services are asked for settings: once, and again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest
from llmchat.users.v1.user_pb2 import UserSettings

from libs.common.errors import NotFound, Unavailable
from libs.common.events.changes import change_channel
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.remembered import SETTINGS
from libs.common.telemetry.metrics import Metrics
from services.messages.defaults import Defaults, Manner
from tests.unit.configured import live_config


class Services:
    """Stands in for users and threads; `asked` says who was asked, in order."""

    def __init__(self) -> None:
        self.thread = ThreadSettings(temperature=0.2)
        self.person = UserSettings(system_prompt="person")
        self.asked: list[str] = []
        self.away: set[str] = set()

    async def GetThread(self, request: GetThreadRequest) -> Thread:  # noqa: N802 # the RPC's name
        await self._take("threads")
        if request.id != "thread_1":
            raise NotFound("thread", request.id)
        return Thread(id=request.id, settings=self.thread)

    async def GetUserSettings(self, request: object) -> UserSettings:  # noqa: N802 # the RPC's name
        await self._take("users")
        return self.person

    async def _take(self, service: str) -> None:
        self.asked.append(service)
        if service in self.away:
            raise Unavailable(f"{service} is away")


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def bus() -> InProcessBus:
    return InProcessBus()


@pytest.fixture
async def defaults(services: Services, bus: InProcessBus) -> AsyncIterator[Defaults]:
    defaults = Defaults(services, services, live_config(), Metrics())  # type: ignore[arg-type]
    running = asyncio.create_task(defaults.run(bus))
    await asyncio.sleep(0)
    yield defaults
    running.cancel()


async def fill(defaults: Defaults, temperature: float | None = None, system_prompt: str = "") -> Manner:
    return await defaults.fill("ada", "thread_1", temperature, system_prompt)


async def test_a_conversation_that_runs_asks_nobody(defaults: Defaults, services: Services) -> None:
    # As it is sent for the first time in the thread.
    await defaults.require_thread("thread_1")
    assert [await fill(defaults) for _ in range(5)] == [Manner(0.2, "person")] * 5
    assert await defaults.streams("ada")

    assert services.asked == ["threads", "users"]


async def test_a_message_that_says_everything_asks_nobody(defaults: Defaults, services: Services) -> None:
    assert await fill(defaults, 0.0, "message") == Manner(0.0, "message")
    assert services.asked == []


@pytest.mark.parametrize(("collection", "id"), [("threads", "thread_1"), ("users", "ada")])
async def test_what_has_changed_is_asked_for_and_nothing_else(
    defaults: Defaults, services: Services, bus: InProcessBus, collection: str, id: str
) -> None:
    await fill(defaults)
    services.asked.clear()

    bus.publish(change_channel(collection, SETTINGS), id.encode())
    bus.publish(change_channel(collection, SETTINGS), b"another")
    await asyncio.sleep(0)
    await fill(defaults)

    assert services.asked == [collection]


async def test_where_both_are_away_the_systems_hold(defaults: Defaults, services: Services) -> None:
    services.away = {"threads", "users"}
    assert await fill(defaults) == Manner(0.7, "You are a helpful AI assistant.")
    assert await defaults.streams("ada")


async def test_a_thread_that_there_is_not_is_no_reason_to_guess(defaults: Defaults) -> None:
    with pytest.raises(NotFound):
        await defaults.fill("ada", "thread_2", None, "")
