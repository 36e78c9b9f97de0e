"""How a service's migrations are declared, and what a start makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_APPLIED,
    MIGRATION_STATE_PENDING,
)

from libs.common.documents.system import SCHEMA_VERSION
from libs.common.errors import Precondition
from libs.common.migrations.declaration import Upgrade
from libs.common.migrations.loading import load_migrations
from libs.common.migrations.starting import require_migrated
from tests.unit.migrating import (
    THINGS,
    Service,
    filling,
    is_marked,
    mark,
    marking,
    nothing,
    numbered,
    unmark,
)


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
    made = "from tests.unit.migrating import Migration, marking\n\n\n"
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
