"""What becomes of migrations when something goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_APPLIED,
    MIGRATION_STATE_FAILED,
    MIGRATION_STATE_PENDING,
    MIGRATION_STATE_ROLLED_BACK,
    MIGRATION_STATE_RUNNING,
)
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, Precondition, Unavailable
from libs.common.migrations.declaration import Backfill, Upgrade
from libs.common.store.port import Query
from tests.unit.migrating import (
    LATEST,
    OTHERS,
    THINGS,
    Service,
    filling,
    is_marked,
    mark,
    marking,
    never_wrong,
    nothing,
    nothing_wrong,
    numbered,
    refuse,
    unmark,
)


async def test_one_that_fails_is_rolled_back_and_what_comes_after_it_is_not_begun() -> None:
    def mark_or_refuse(thread: Thread) -> None:
        refuse(thread)
        mark(thread)

    broken = Upgrade(OTHERS, LATEST, mark_or_refuse, unmark, is_marked)
    service = Service(numbered(1, filling(nothing)), numbered(2, marking(), broken), numbered(3, filling(nothing)))
    await service.plant(120)
    await service.plant(250, OTHERS)
    with pytest.raises(Precondition, match="0002_number_2") as refusal:
        await service.up()
    assert refusal.value.reason == "MIGRATION_FAILED"
    _, failed, _ = await service.runner.known()
    assert [progress.rewritten for progress in failed.record.progress] == [120, 100]
    assert (await service.marked(), await service.marked(OTHERS)) == (0, 0)
    assert await service.states() == [MIGRATION_STATE_APPLIED, MIGRATION_STATE_ROLLED_BACK, MIGRATION_STATE_PENDING]
    error = (await service.errors())[1]
    assert error == "others/thing_150: ZeroDivisionError, which the server's log tells of"
    assert "a title that nobody is to read" not in refusal.value.text


async def test_what_is_found_wrong_afterwards_is_rolled_back_too() -> None:
    def found_wrong(thread: Thread) -> str:
        return "it is the wrong one" if thread.id == "thing_101" else ""

    service = Service(numbered(1, Upgrade(THINGS, LATEST, mark, unmark, found_wrong)))
    await service.plant(120)
    with pytest.raises(Precondition, match="things/thing_101: it is the wrong one"):
        await service.up()
    assert await service.states() == [MIGRATION_STATE_ROLLED_BACK]
    stored = await service.store.query(Query.by_id(THINGS))
    assert {(one.message.title[-1] == "!", one.message.schema_version) for one in stored} == {(False, 1)}


async def test_what_has_failed_is_tried_again_from_its_beginning() -> None:
    faults = ["not yet"]

    async def up(unit: Unit, threads: Sequence[Thread]) -> Sequence[Thread]:
        if threads and threads[-1].id == "thing_119" and faults:
            raise Invalid(faults.pop())
        for thread in threads:
            mark(thread)
        return threads

    async def down(unit: Unit, threads: Sequence[Thread]) -> Sequence[Thread]:
        for thread in threads:
            unmark(thread)
        return threads

    service = Service(numbered(1, Backfill(THINGS, up, down, never_wrong)))
    await service.plant(120)
    with pytest.raises(Precondition, match="not yet"):
        await service.up()
    assert await service.states() == [MIGRATION_STATE_ROLLED_BACK]
    await service.up()
    titles = {one.message.title for one in await service.store.query(Query.by_id(THINGS))}
    assert titles == {f"{number:03}!" for number in range(120)}
    assert await service.errors() == [""]


async def test_what_cannot_be_rolled_back_either_has_failed_until_its_file_is_put_right() -> None:
    def refuse_another(thread: Thread) -> None:
        if thread.id == "thing_050":
            raise Invalid("no way back")

    service = Service(numbered(1, Upgrade(THINGS, LATEST, refuse, refuse_another, nothing_wrong)))
    await service.plant(160)
    with pytest.raises(Precondition, match="could not be rolled back") as refusal:
        await service.up()
    assert refusal.value.text.endswith("; rolling it back: things/thing_050: no way back")
    assert await service.states() == [MIGRATION_STATE_FAILED]
    with pytest.raises(Precondition, match="could not be rolled back"):
        await service.up()

    put_right = Service(numbered(1, marking(), checksum="put right"), store=service.store)
    await put_right.up()
    assert await put_right.states() == [MIGRATION_STATE_APPLIED]
    assert await put_right.marked() == 160


async def test_what_passes_is_no_failure_of_a_migrations_own() -> None:
    away = [Unavailable("the engine is away")]

    async def up(unit: Unit, threads: Sequence[Thread]) -> Sequence[Thread]:
        if away and threads[0].id == "thing_100":
            raise away.pop()
        return ()

    service = Service(numbered(1, filling(up, THINGS)))
    await service.plant(150)
    with pytest.raises(Unavailable):
        await service.up()
    assert await service.states() == [MIGRATION_STATE_RUNNING]
    await service.up()
    (known,) = await service.runner.known()
    assert (known.record.state, known.record.progress[0].read) == (MIGRATION_STATE_APPLIED, 150)


async def test_what_a_later_version_has_applied_is_left_to_it() -> None:
    later = Service(numbered(1, filling(nothing)), numbered(2, filling(nothing)))
    await later.up()
    earlier = Service(numbered(1, filling(nothing)), store=later.store)
    assert [known.is_unknown for known in await earlier.runner.known()] == [False, True]
    await earlier.up()
    with pytest.raises(Precondition) as refusal:
        await earlier.down()
    assert refusal.value.reason == "MIGRATION_UNKNOWN"


async def test_they_are_rolled_back_to_a_number_and_to_no_other() -> None:
    service = Service(*(numbered(number, filling(nothing)) for number in (1, 2, 3)))
    await service.up()
    await service.down(to=1)
    undone = MIGRATION_STATE_ROLLED_BACK
    assert await service.states() == [MIGRATION_STATE_APPLIED, undone, undone]
    with pytest.raises(Invalid):
        await service.down(to=4)
