"""What a durable store promises beyond its process: reopening, killing, growing indexes, files that are no store."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Conflict, Invalid, Unavailable
from libs.common.store.open import open_store
from libs.common.store.port import CollectionSpec, Index, Query
from libs.common.store.sqlite.store import SqliteStore
from tests.conformance.acknowledging import no_commit_is_torn
from tests.conformance.places import DURABLE, Place
from tests.conformance.specimens import SPECS, THREADS, put, thread

durable = pytest.mark.parametrize("place", DURABLE, indirect=True)


@durable
async def test_documents_outlive_their_store(place: Place) -> None:
    store = await place.open()
    await store.commit([put(thread("t1", title="kept"), 0), put(thread("t2"), 0)])
    await store.commit([put(thread("t1", title="kept"), 1)])
    await store.close()
    store = await place.open()
    assert [(stored.id, stored.revision) for stored in await store.query(Query.where(THREADS, order="title"))] == [
        ("t2", 1),
        ("t1", 2),
    ]
    with pytest.raises(Conflict):
        await store.commit([put(thread("t1"), 1)])
    await store.close()


@durable
async def test_closing_finishes_what_was_handed_in(place: Place) -> None:
    store = await place.open()
    await store.commit([put(thread("first"))])
    commits = [asyncio.create_task(store.commit([put(thread(f"t{number:03}"), 0)])) for number in range(600)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    store = await place.open()
    assert await store.count(Query.by_id(THREADS, "t")) == 600
    await store.close()


@durable
async def test_everything_acknowledged_survives_sigkill(place: Place) -> None:
    for round_ in range(3):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.conformance.acknowledging", str(place), str(round_)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(100 + 37 * round_)]
        child.kill()
        acknowledged += (await child.stdout.read()).decode().split()
        await child.wait()

        store = await place.open()
        there = await store.get_many(THREADS, acknowledged)
        assert [stored.id for stored in there] == acknowledged
        await no_commit_is_torn(store, str(round_))
        await store.close()


def threads_with(*indexes: Index) -> Sequence[CollectionSpec[Any]]:
    return [CollectionSpec("threads", Thread, indexes=indexes)]


async def test_an_index_that_is_declared_later_holds_what_was_there(tmp_path: Path) -> None:
    by_title, by_total = Index((), "title"), Index(("settings.is_archived",), "total_messages")

    async def with_indexes(*indexes: Index) -> SqliteStore:
        return SqliteStore.open(tmp_path / "store.db", threads_with(*indexes))

    store = await with_indexes()
    await store.commit(
        [put(thread(f"t{n:04}", total=-n, archived=n % 2 == 1, title=str(n % 7)), 0) for n in range(1500)]
    )
    await store.close()

    store = await with_indexes(by_title)
    await store.commit([put(thread("without_total", total=-9999), 0)])
    await store.close()

    store = await with_indexes(by_total)
    (spec,) = threads_with(by_total)
    query = Query.where(spec, order="total_messages", settings__is_archived=False, limit=3)
    assert [stored.id for stored in await store.query(query)] == ["without_total", "t1498", "t1496"]
    assert await store.count(query) == 751
    await store.commit([put(thread("t1498", total=5), 1)])
    await store.close()

    # A column that was given up and is declared again has not slept through the writes in between.
    store = await with_indexes(by_title, by_total)
    (spec,) = threads_with(by_title, by_total)
    found = await store.query(Query.where(spec, order="title", limit=3))
    assert [stored.id for stored in found] == ["t1498", "without_total", "t0000"]
    await store.close()


def test_an_index_on_no_field_is_refused(tmp_path: Path) -> None:
    for path in ("nonsense", "settings", "settings.tags", "settings.nonsense", "models", "title.x"):
        with pytest.raises(ValueError, match="Thread"):
            SqliteStore.open(tmp_path / "store.db", threads_with(Index((), path)))


@pytest.mark.parametrize("content", [b"this is no database, " * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_store_is_told_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(Unavailable, match=r"store\.db"):
        SqliteStore.open(tmp_path / "store.db", SPECS)
    assert (tmp_path / "store.db").read_bytes() == content


def test_a_folder_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="missing"):
        SqliteStore.open(tmp_path / "missing" / "store.db", SPECS)


async def test_when_the_disk_takes_no_more_nothing_is_stored_and_the_store_goes_on(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "store.db", SPECS)
    await store.commit([put(thread("before"), 0)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        outcomes = await asyncio.gather(
            store.commit([put(thread("large", title="x" * 1_000_000), 0)]),
            store.commit([put(thread("beside"), 0)]),
            return_exceptions=True,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert [stored.id for stored in await store.query(Query.by_id(THREADS))] == ["before"]
    await store.commit([put(thread("large", title="x" * 1_000_000), 0), put(thread("beside"), 0)])
    assert await store.count(Query.by_id(THREADS)) == 3
    await store.close()


async def test_a_store_is_opened_by_its_url(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    store = await open_store(f"sqlite:///{folder}", "threads", [THREADS])
    await store.commit([put(thread("t1"), 0)])
    await store.close()
    assert (folder / "threads.db").is_file()
    assert folder.stat().st_mode & 0o777 == 0o700
    store = await open_store(f"sqlite:///{folder}", "threads", [THREADS])
    assert await store.get(THREADS, "t1") is not None
    await store.close()


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "oracle://host", "memory://x", "/just/a/path"])
async def test_an_unknown_url_names_the_known_ones(url: str) -> None:
    with pytest.raises(Invalid, match=r"memory://.*sqlite:///"):
        await open_store(url, "threads", [THREADS])


async def test_a_folder_that_cannot_be_made_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="file"):
        await open_store(f"sqlite:///{tmp_path}/file/data", "threads", [THREADS])
