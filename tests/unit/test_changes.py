"""Hints of changes: where a watcher is to look, and when."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from libs.common.clock import wall_clock
from libs.common.documents.unit import Unit
from libs.common.errors import Unavailable
from libs.common.events.bus import GAP
from libs.common.events.changes import Changes, Hints
from libs.common.store.memory import MemoryStore
from tests.standins.lossy_bus import LossyBus

NEVER = 3600.0


def tell(changes: Changes, *ids: str) -> None:
    """As after a commit."""
    unit = Unit(MemoryStore([]), wall_clock())
    for id in ids:
        changes.tell(unit, "anna", id)
    for action in unit.hints:
        action()


async def take(hints: Hints, count: int) -> list[str | None]:
    async with asyncio.timeout(5):
        return [await anext(hints) for _ in range(count)]


async def test_a_watcher_looks_at_everything_first_and_then_at_what_it_is_told() -> None:
    bus = LossyBus()
    here, there = Changes(bus, "threads", NEVER), Changes(bus, "threads", NEVER)
    async with here.watch("anna") as hints:
        assert await take(hints, 1) == [None]
        tell(here, "thread_1")
        tell(there, "thread_2")
        assert await take(hints, 2) == ["thread_1", "thread_2"]


async def test_what_is_told_again_before_it_is_looked_at_is_looked_at_once() -> None:
    changes = Changes(LossyBus(doubling=1.0), "threads", NEVER)
    async with changes.watch("anna") as hints:
        await take(hints, 1)
        tell(changes, "thread_1", "thread_2", "thread_1")
        assert await take(hints, 2) == ["thread_1", "thread_2"]
        tell(changes, "thread_3")
        assert await take(hints, 1) == ["thread_3"]


async def test_nobody_is_told_before_the_commit() -> None:
    changes = Changes(LossyBus(), "threads", NEVER)
    unit = Unit(MemoryStore([]), wall_clock())
    async with changes.watch("anna") as hints:
        await take(hints, 1)
        changes.tell(unit, "anna", "not yet")
        tell(changes, "thread_1")
        assert await take(hints, 1) == ["thread_1"]


async def test_after_a_gap_and_after_too_many_hints_everything_is_looked_at() -> None:
    changes = Changes(LossyBus(), "threads", NEVER)
    async with changes.watch("anna") as hints:
        await take(hints, 1)
        hints.put(GAP)
        assert await take(hints, 1) == [None]
        tell(changes, *(f"thread_{number}" for number in range(1000)))
        assert (await take(hints, 1)) == [None]


async def test_in_silence_everything_is_looked_at_every_few_seconds() -> None:
    changes = Changes(LossyBus(), "threads", 0.1)
    async with changes.watch("anna") as hints:
        await take(hints, 1)
        began = time.monotonic()
        assert await take(hints, 2) == [None, None]
        assert time.monotonic() - began > 0.1, "each after three quarters of it at the soonest"


async def test_hints_are_no_reason_to_look_at_everything_later() -> None:
    changes = Changes(LossyBus(), "threads", 0.1)
    async with changes.watch("anna") as hints:
        await take(hints, 1)
        async with asyncio.timeout(5):
            tell(changes, "thread_1")
            while await anext(hints) is not None:
                tell(changes, "thread_1")


async def test_a_process_that_stops_ends_every_watch_and_goes_on_telling_others() -> None:
    bus = LossyBus()
    stopping, other = Changes(bus, "threads", NEVER), Changes(bus, "threads", NEVER)
    async with stopping.watch("anna") as watched, other.watch("anna") as elsewhere:
        await take(watched, 1)
        await take(elsewhere, 1)
        waiting = asyncio.create_task(take(watched, 1))
        await asyncio.sleep(0)
        await stopping.close()
        with pytest.raises(Unavailable) as refused:
            await waiting
        assert refused.value.reason == "STOPPING"
        tell(stopping, "thread_1")
        assert await take(elsewhere, 1) == ["thread_1"]
    async with stopping.watch("anna") as late:
        with pytest.raises(Unavailable):
            await anext(late)
    assert bus.subscriptions.total() == 0


def test_threads_operations_and_models_are_written_by_what_tells_of_it_alone() -> None:
    services = Path(__file__).parents[2] / "services"
    writes = re.compile(r"unit\.(?:put|delete)\((THREADS|OPERATIONS|MODELS)")
    writers = {(path.parent.name, path.name, *writes.findall(path.read_text())) for path in services.glob("*/*.py")}
    assert {writer for writer in writers if len(writer) > 2} == {
        ("threads", "thread.py", "THREADS"),
        ("threads", "removal.py", "THREADS"),
        ("catalog", "model.py", "MODELS"),
        ("operations", "operation.py", "OPERATIONS", "OPERATIONS"),
    }
