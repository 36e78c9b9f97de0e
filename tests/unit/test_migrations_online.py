"""Documents that are migrated while others read and change them."""

from __future__ import annotations

import pytest
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_RUNNING,
)
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.unit import Unit
from libs.common.errors import Contended
from libs.common.migrations.declaration import Upgrade
from libs.common.store.port import Put, Query, Stored
from tests.unit.migrating import (
    LATEST,
    THINGS,
    Service,
    marking,
    nothing_wrong,
    numbered,
    unmark,
)


async def test_a_document_that_others_keep_changing_is_met_in_the_end() -> None:
    service = Service(numbered(1, marking()))
    await service.plant(120)
    changes = 0

    async def change() -> None:
        nonlocal changes
        if changes < 15:
            changes += 1
            await service.store.put(Thread(id="thing_050", title=f"changed {changes}", schema_version=1))

    service.store.quicker = change
    await service.up()
    assert await service.marked() == 120
    stored = await service.store.get(THINGS, "thing_050")
    assert stored is not None
    assert stored.message.title == "changed 15!"


async def test_one_that_is_changed_all_the_time_leaves_the_rest_for_later() -> None:
    service = Service(numbered(1, marking()))
    await service.plant(120)

    async def change() -> None:
        await service.store.put(Thread(id="thing_050", title="changed", schema_version=1))

    service.store.quicker = change
    with pytest.raises(Contended):
        await service.up()
    assert await service.states() == [MIGRATION_STATE_RUNNING]
    service.store.quicker = None
    await service.up()
    assert await service.marked() == 120


async def test_a_write_of_what_is_not_rewritten_yet_upgrades_it() -> None:
    service = Service(numbered(1, marking()))
    await service.plant(1)

    async def change(unit: Unit) -> None:
        thread = await unit.get(THINGS, "thing_000")
        assert (thread.title, thread.schema_version) == ("000!", LATEST)
        thread.has_title = True
        unit.put(THINGS, thread)

    await service.documents.unit(change)
    assert await service.marked() == 1
    await service.up()
    assert [known.record.progress[0].rewritten for known in await service.runner.known()] == [0]
    assert await service.marked() == 1


async def test_a_document_that_is_up_to_date_is_not_parsed_to_see_that(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(numbered(1, marking()))
    await service.store.commit([Put(THINGS.name, "new", Thread(id="new", title="new", schema_version=LATEST))])
    monkeypatch.setattr(Stored, "message", property(lambda stored: pytest.fail("it is parsed")))
    (stored,) = await service.documents.store.query(Query.by_id(THINGS))
    assert stored.id == "new"


async def test_a_unit_goes_on_behind_a_document_by_how_it_is_stored() -> None:
    service = Service(numbered(1, Upgrade(THINGS, LATEST, lambda thread: rename(thread), unmark, nothing_wrong)))
    await service.plant(30)
    found: list[str] = []

    async def page(unit: Unit) -> None:
        query = Query.where(THINGS, order="title", limit=10)
        while threads := await unit.query(query):
            found.extend(thread.id for thread in threads)
            query = Query.where(THINGS, order="title", limit=10, after=unit.place_of(query, threads[-1]))

    await service.documents.unit(page)
    assert found == [f"thing_{number:03}" for number in range(30)]


def rename(thread: Thread) -> None:
    thread.title = "the same for all"
