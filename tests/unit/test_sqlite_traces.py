"""What is left in SQLite's files of documents that were deleted or overwritten: nothing, once they are closed."""

from __future__ import annotations

from pathlib import Path

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.store.port import CollectionSpec, Delete, Put
from libs.common.store.sqlite.store import SqliteStore

THREADS = CollectionSpec("threads", Thread)
CANARY = "canary"


def put(number: int, title: str) -> Put:
    return Put("threads", f"thread_{number}", Thread(id=f"thread_{number}", title=title))


async def traces(folder: Path, *, overwrites: bool, size: int) -> int:
    """How often the canary is in the files after 50 documents of that size are gone."""
    store = SqliteStore.open(folder / "threads.db", [THREADS])
    await store.commit([put(number, CANARY + "x" * size) for number in range(50)])
    for number in range(50):
        await store.commit([put(number, "short") if overwrites else Delete("threads", f"thread_{number}")])
    await store.commit([put(50, "another")])
    await store.close()
    return found(folder)


def found(folder: Path) -> int:
    return sum(file.read_bytes().count(CANARY.encode()) for file in folder.iterdir())


async def test_a_deleted_document_leaves_no_trace(tmp_path: Path) -> None:
    assert await traces(tmp_path, overwrites=False, size=500) == 0


async def test_a_document_that_shrank_leaves_none_of_what_it_was(tmp_path: Path) -> None:
    assert await traces(tmp_path, overwrites=True, size=500) == 0


async def test_pages_that_a_large_document_had_for_itself_are_emptied(tmp_path: Path) -> None:
    assert await traces(tmp_path, overwrites=False, size=20_000) == 0
