"""How a service's migrations are declared, and what becomes of them when something goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_APPLIED,
    MIGRATION_STATE_FAILED,
    MIGRATION_STATE_PENDING,
    MIGRATION_STATE_ROLLED_BACK,
    MIGRATION_STATE_RUNNING,
)
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SCHEMA_VERSION, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, Invalid, Precondition, Unavailable
from libs.common.migrations.declaration import Backfill, Migration, Part, Upgrade
from libs.common.migrations.loading import Migrations, NumberedMigration, load_migrations
from libs.common.migrations.runner import Runner
from libs.common.migrations.starting import require_migrated
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Index, Put, Query, Stored, Write

THINGS = CollectionSpec("things", Thread, indexes=(Index((), "title"),))
OTHERS = CollectionSpec("others", Thread)
LATEST = SCHEMA_VERSION


def mark(thread: Thread) -> None:
    thread.title += "!"


def unmark(thread: Thread) -> None:
    thread.title = thread.title.removesuffix("!")


def refuse(thread: Thread) -> None:
    if thread.id == "thing_150":
        raise ZeroDivisionError("a title that nobody is to read")


def is_marked(thread: Thread) -> str:
    return "" if thread.title.endswith("!") else "it has no mark"


def nothing_wrong(thread: Thread) -> str:
    return ""


def marking(spec: CollectionSpec[Thread] = THINGS) -> Upgrade[Thread]:
    return Upgrade(spec, LATEST, mark, unmark, is_marked)


async def nothing(unit: Unit, threads: Sequence[Thread]) -> Sequence[Thread]:
    return ()


async def never_wrong(unit: Unit, thread: Thread) -> str:
    return ""


def filling(
    up: Callable[[Unit, Sequence[Thread]], Awaitable[Sequence[Thread]]], spec: CollectionSpec[Thread] = OTHERS
) -> Backfill[Thread]:
    return Backfill(spec, up, nothing, never_wrong)


def numbered(number: int, *parts: Part, checksum: str = "", depends_on: tuple[int, ...] = ()) -> NumberedMigration:
    return NumberedMigration(number, f"number_{number}", checksum, Migration("what it does", parts, depends_on))


class InterruptedStore(MemoryStore):
    """Before a commit it does what a test says, as if another process had been quicker."""

    def __init__(self) -> None:
        super().__init__([THINGS, OTHERS, *SYSTEM_COLLECTIONS])
        self.quicker: Callable[[], Awaitable[None]] | None = None

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.quicker is not None and any(write.collection == THINGS.name for write in writes):
            await self.quicker()
        await super().commit(writes)

    async def put(self, thread: Thread) -> None:
        await super().commit([Put(THINGS.name, thread.id, thread)])


class Service:
    """One with migrations, and what it has stored."""

    def __init__(self, *migrations: NumberedMigration, store: InterruptedStore | None = None) -> None:
        self.store = store or InterruptedStore()
        tokens, seal = PageTokens([b"p" * 32]), RequestSeal([b"d" * 32])
        known = Migrations("things", migrations)
        raw = Documents(self.store, wall_clock, tokens, seal)
        self.documents = Documents(known.upgraded(self.store), wall_clock, tokens, seal)
        self.runner = Runner(raw, known, holder="one", exclusive=False, lease_seconds=15)

    async def plant(self, number: int, spec: CollectionSpec[Thread] = THINGS) -> None:
        planted = [Thread(id=f"thing_{n:03}", title=f"{n:03}", schema_version=1) for n in range(number)]
        await self.store.commit([Put(spec.name, thread.id, thread) for thread in planted])

    async def up(self) -> None:
        async for _ in self.runner.up("a test"):
            pass

    async def down(self, to: int = 0) -> None:
        async for _ in self.runner.down(to, "a test"):
            pass

    async def states(self) -> list[int]:
        return [known.record.state for known in await self.runner.known()]

    async def errors(self) -> list[str]:
        return [known.record.error for known in await self.runner.known()]

    async def marked(self, spec: CollectionSpec[Thread] = THINGS) -> int:
        stored = await self.store.query(Query.by_id(spec))
        return sum(one.message.title.endswith("!") and one.message.schema_version == LATEST for one in stored)


# What is declared.


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"0001_a": "MIGRATION = made(1)", "0003_b": "MIGRATION = made(1)"}, r"\[1, 3\] are not the numbers from 1"),
        ({"0001_a": "MIGRATION = made(1)", "0001_b": "MIGRATION = made(1)"}, r"\[1, 1\] are not the numbers from 1"),
        ({"1_a": "MIGRATION = made(1)"}, "is not called like 0001_name.py"),
        ({"0001_a": "nothing = 1"}, "declares no MIGRATION"),
        ({"0001_a": "MIGRATION = made(0)"}, "0001_a has no parts"),
        ({"0001_a": "MIGRATION = made(1, 1)"}, r"0001_a depends on \[1\]"),
        ({"0001_a": "MIGRATION = made(1, 2)", "0002_b": "MIGRATION = made(1, 1)"}, r"0001_a depends on \[2\]"),
    ],
    ids=["a gap", "a number twice", "another name", "nothing declared", "no parts", "on itself", "in a circle"],
)
def test_what_is_declared_wrongly_stops_the_start(
    files: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=said):
        load_migrations("things", write(files, tmp_path, monkeypatch))


def write(files: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with these files, whose `made` makes a migration with so many parts."""
    package = f"migrations_of_{folder.name}"
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("")
    made = "from tests.unit.test_migrations import marking, Migration\n\n\n"
    made += "def made(parts, *depends_on):\n    return Migration('', (marking(),) * parts, depends_on)\n\n\n"
    for name, text in files.items():
        (folder / package / f"{name}.py").write_text(made + text)
    monkeypatch.syspath_prepend(folder)
    return package


@pytest.mark.parametrize("versions", [(1,), (SCHEMA_VERSION + 1,), (2, 2)], ids=["first", "beyond", "twice"])
def test_versions_that_cannot_be_stop_the_start(versions: tuple[int, ...]) -> None:
    parts = [Upgrade(THINGS, version, mark, unmark, is_marked) for version in versions]
    with pytest.raises(ValueError, match="things"):
        Service(*(numbered(number, part) for number, part in enumerate(parts, 1)))


def test_the_checksum_is_that_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write({"0001_a": "MIGRATION = made(1)"}, tmp_path, monkeypatch)
    (one,) = load_migrations("things", package).numbered
    assert (one.id, one.name, len(one.checksum)) == ("0001", "a", 64)
    path = tmp_path / package / "0001_a.py"
    path.write_text(path.read_text() + "# edited\n")
    (edited,) = load_migrations("things", package).numbered
    assert edited.checksum != one.checksum


async def test_what_was_applied_and_edited_since_is_refused() -> None:
    first = Service(numbered(1, marking(), checksum="as it was"))
    await first.plant(3)
    await first.up()
    edited = Service(
        numbered(1, marking(), checksum="edited"), numbered(2, filling(nothing), depends_on=(1,)), store=first.store
    )
    assert [known.is_edited for known in await edited.runner.known()] == [True, False]
    with pytest.raises(Precondition, match="0001_number_1 was edited after it was begun") as refusal:
        await edited.up()
    assert refusal.value.reason == "MIGRATION_EDITED"
    assert await edited.states() == [MIGRATION_STATE_APPLIED, MIGRATION_STATE_PENDING]

    await edited.down()
    await edited.up()
    assert await edited.states() == [MIGRATION_STATE_APPLIED] * 2, "what is rolled back may be edited"


# What goes wrong.


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


# While others go on.


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


# At a start.


async def test_a_start_with_what_is_pending_is_refused_or_says_so(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(numbered(1, marking()))
    with pytest.raises(Precondition, match="migrations of things are pending: 0001_number_1") as refusal:
        await require_migrated([service.runner], "check")
    assert refusal.value.reason == "MIGRATIONS_PENDING"
    await require_migrated([service.runner], "up")
    assert caplog.text == ""
    await require_migrated([service.runner], "off")
    assert "migrations of things are pending: 0001_number_1" in caplog.text
    await service.up()
    await require_migrated([service.runner], "check")
