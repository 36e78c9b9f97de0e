"""What is remembered of another service: asked once, and anew when it may have changed."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from libs.common.errors import NotFound, Unavailable
from libs.common.events.bus import GAP, Delivery
from libs.common.events.remembered import Remembered
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metrics import Metrics


class Service:
    """A stand-in for the service that knows: its answers, how often each was asked for, and whether it is away."""

    def __init__(self) -> None:
        self.values = {"a": 1, "b": 2, "c": 3}
        self.asked: Counter[str] = Counter()
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def ask(self, id: str) -> int:
        self.asked[id] += 1
        if self.away:
            raise Unavailable("away")
        if id not in self.values:
            raise NotFound("value", id)
        value = self.values[id]
        await self.answers.wait()
        return value


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remembered(service: Service, clock: Clock) -> Remembered[int]:
    return Remembered(service.ask, seconds=10, most=2, lookups=Lookups(Metrics(), "values"), now=clock)


def told(id: str) -> Delivery:
    return Delivery("changes", id.encode())


async def test_it_is_asked_once_and_again_after_its_time(
    remembered: Remembered[int], service: Service, clock: Clock
) -> None:
    assert [await remembered.get("a") for _ in range(3)] == [1, 1, 1]
    assert service.asked["a"] == 1

    service.values["a"] = 5
    clock.now = 9.9
    assert await remembered.get("a") == 1
    clock.now = 10
    assert await remembered.get("a") == 5


async def test_what_has_changed_is_asked_anew_and_nothing_else(remembered: Remembered[int], service: Service) -> None:
    await remembered.get("a")
    await remembered.get("b")

    remembered.hear(told("a"))
    remembered.hear(told("never asked for"))
    await remembered.get("a")
    await remembered.get("b")

    assert service.asked == {"a": 2, "b": 1}


async def test_after_a_gap_everything_is_asked_anew(remembered: Remembered[int], service: Service) -> None:
    await remembered.get("a")
    await remembered.get("b")

    remembered.hear(GAP)
    await remembered.get("a")
    await remembered.get("b")

    assert service.asked == {"a": 2, "b": 2}


@pytest.mark.parametrize("item", [told("a"), GAP], ids=["a hint", "a gap"])
async def test_an_answer_that_a_change_overtakes_is_not_remembered(
    remembered: Remembered[int], service: Service, item: Delivery
) -> None:
    service.answers.clear()
    asking = asyncio.create_task(remembered.get("a"))
    await asyncio.sleep(0)
    service.values["a"] = 5
    remembered.hear(item)
    service.answers.set()

    assert await asking == 1
    assert await remembered.get("a") == 5


async def test_no_more_than_so_many_are_kept(remembered: Remembered[int], service: Service) -> None:
    for id in ("a", "b", "c", "b", "a"):
        await remembered.get(id)

    assert service.asked == {"a": 2, "b": 1, "c": 1}


async def test_what_was_said_last_holds_on_while_the_service_is_away(
    remembered: Remembered[int], service: Service, clock: Clock
) -> None:
    await remembered.get("a")
    service.away = True
    clock.now = 1000
    assert await remembered.get("a") == 1

    remembered.hear(told("a"))
    for id in ("a", "b"):
        with pytest.raises(Unavailable):
            await remembered.get(id)


async def test_what_there_is_none_of_is_not_remembered(remembered: Remembered[int], service: Service) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            await remembered.get("x")

    assert service.asked["x"] == 2
