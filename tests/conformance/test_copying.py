"""Copies between engines: whatever they keep their documents as, each holds the same documents afterwards.

LLMCHAT_TEST_COPIED sets how many documents go through all engines that run here, one after the other.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from libs.common.errors import Precondition
from tests.conformance.copying import contents_of, copied, fill, fill_with_what_is_hard_to_keep, opened
from tests.conformance.places import DURABLE, Place
from tests.conformance.specimens import THREADS, put, thread
from tests.engines.all import SERVED
from tests.engines.running import Engines

# Documents of a service: MongoDB's stand-in passes over a whole collection for each page of it.
SERVICE = 5000
COPIED = int(os.environ.get("LLMCHAT_TEST_COPIED", "200"))

durable = pytest.mark.parametrize("place", [name for name in DURABLE if "journaled" not in name], indirect=True)


@pytest.fixture
def source(tmp_path: Path) -> Place:
    return Place(f"sqlite:///{tmp_path / 'source'}", "store")


@pytest.fixture
def back(tmp_path: Path) -> Place:
    return Place(f"sqlite:///{tmp_path / 'back'}", "store")


@durable
async def test_a_copy_there_and_back_holds_the_same(source: Place, place: Place, back: Place) -> None:
    await fill(source, 150)
    await fill_with_what_is_hard_to_keep(source)
    await copied(source, place)
    await copied(place, back)
    held = await contents_of(source)
    assert {name: one.documents for name, one in held.items() if one.documents} == {"threads": 171, "notes": 156}
    assert await contents_of(place) == held
    assert await contents_of(back) == held


@durable
async def test_a_copy_that_is_killed_goes_on_where_it_was(source: Place, place: Place) -> None:
    await fill(source, 1000)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.conformance.copying", str(source), str(place)), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(7):
        await child.stdout.readline()
    child.kill()
    await child.wait()
    there = sum(one.documents for one in (await contents_of(place)).values())
    assert 700 <= there < 2000

    told: list[int] = []
    await copied(source, place, told.append)
    assert sum(told) <= 2000 - there
    assert await contents_of(place) == await contents_of(source)


@durable
async def test_a_copy_that_is_made_again_writes_nothing(source: Place, place: Place) -> None:
    await fill(source, 20)
    await copied(source, place)
    told: list[int] = []
    await copied(source, place, told.append)
    assert told == []


@durable
async def test_a_destination_that_holds_other_documents_is_refused(source: Place, place: Place) -> None:
    await fill(source, 20)
    async with opened(place) as store:
        await store.commit([put(thread("t0000000", title="another"))])
    with pytest.raises(Precondition) as refused:
        await copied(source, place)
    assert refused.value.reason == "HOLDS_OTHERS"


async def test_what_was_changed_behind_the_back_of_a_copy_tells(source: Place, back: Place) -> None:
    await fill(source, 20)
    await copied(source, back)
    held = await contents_of(back)
    async with opened(source) as store:
        # The same document, once more: its revision alone is another.
        await store.commit([put(stored.message) for stored in await store.get_many(THREADS, ["t0000003"])])
    changed = await contents_of(source)
    assert changed["threads"].documents == held["threads"].documents
    assert changed["threads"].sha256 != held["threads"].sha256
    assert changed["notes"] == held["notes"]


@pytest.mark.timeout(4 * 3600)
async def test_documents_go_through_all_engines_and_come_back(tmp_path: Path, engines: Engines) -> None:
    here = [Place(f"sqlite:///{tmp_path / 'source'}", f"s{number}") for number in range(-(-COPIED // SERVICE))]
    for place in here:
        await fill(place, min(COPIED, SERVICE) // 2)
    held = [await contents_of(place) for place in here]
    assert sum(one.documents for service in held for one in service.values()) >= COPIED
    for name in (*(name for name, engine in SERVED.items() if not engine.not_run()), "sqlite"):
        next_one = [Place.of(name, tmp_path / "back", engines) for _ in here]
        if name == "sqlite":
            next_one = [replace(place, service=f"s{number}") for number, place in enumerate(next_one)]
        began = time.monotonic()
        for source, destination in zip(here, next_one, strict=True):
            await copied(source, destination)
        seconds = time.monotonic() - began
        print(f"{COPIED:,} documents to {name}: {seconds:.1f} s, {COPIED / seconds:,.0f}/s")  # noqa: T201
        assert [await contents_of(place) for place in next_one] == held, name
        here = next_one
