"""While another connection is in the way of SQLite, callers wait and the event loop goes on."""

from __future__ import annotations

import asyncio
import functools
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from libs.common.errors import Unavailable
from libs.common.store.port import Query
from libs.common.store.sqlite.store import SqliteStore
from tests.conformance.specimens import SPECS, THREADS, put, thread

PATIENCE = 0.3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with one document that has little patience."""
    opened = SqliteStore.open(tmp_path / "store.db", SPECS, patience=PATIENCE)
    await opened.commit([put(thread("before"), 0)])
    yield opened
    await opened.close()


@pytest.fixture
def other(store: SqliteStore, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another tool's: it takes no turns."""
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
        yield connection


@pytest.fixture
async def frozen(store: SqliteStore, tmp_path: Path) -> AsyncIterator[Process]:
    """A process that commits to the same file all the time and was stopped in a commit."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.conformance.acknowledging", f"sqlite:///{tmp_path} store", "child"), stdout=PIPE
    )
    assert child.stdout is not None
    await child.stdout.readline()
    refused = False
    while not refused:  # now and then it is stopped between two commits
        child.send_signal(signal.SIGSTOP)
        try:
            await store.commit([put(thread("before"))])
            child.send_signal(signal.SIGCONT)
        except Unavailable:
            refused = True
    yield child
    if child.returncode is None:
        child.kill()
    await child.communicate()


async def reads_until_done(store: SqliteStore, commit: asyncio.Task[Any]) -> int:
    """How many reads found the one document before the commit came to its end."""
    reads = 0
    while not commit.done():
        assert await store.count(Query.by_id(THREADS, "before")) == 1
        await asyncio.sleep(0)
        reads += 1
    return reads


async def test_units_wait_together_until_the_write_lock_is_free(store: SqliteStore, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    first = asyncio.create_task(store.commit([put(thread("t1"), 0)]))
    for _ in range(50):
        await store.ping()
        await asyncio.sleep(0)
    second = asyncio.create_task(store.commit([put(thread("t2"), 0)]))
    await asyncio.sleep(0)
    assert not first.done()
    other.execute("ROLLBACK")
    await asyncio.gather(first, second)
    assert await store.count(Query.by_id(THREADS)) == 3


async def test_a_write_lock_that_is_held_too_long_is_unavailable_and_never_blocks_the_loop(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    commits = [asyncio.create_task(store.commit([put(thread(id), 0)])) for id in ("t1", "t2")]
    assert await reads_until_done(store, commits[0]) > 50
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    other.execute("ROLLBACK")
    assert await store.count(Query.by_id(THREADS)) == 1
    await store.commit([put(thread("t1"), 0)])
    assert await store.count(Query.by_id(THREADS)) == 2


async def test_a_process_that_is_frozen_in_its_commit_makes_the_others_unavailable(
    store: SqliteStore, frozen: Process
) -> None:
    refused = asyncio.create_task(store.commit([put(thread("refused"), 0)]))
    assert await reads_until_done(store, refused) > 50
    assert isinstance(refused.exception(), Unavailable)
    # It goes on where it was, and nobody here stands in its way.
    its_own = Query.by_id(THREADS, "child.")
    before = await store.count(its_own)
    frozen.send_signal(signal.SIGCONT)
    while await store.count(its_own) < before + 100:
        await asyncio.sleep(0.001)
    await store.commit([put(thread("t1"), 0)])
    assert await store.get(THREADS, "refused") is None


async def test_a_commit_is_stored_when_the_frozen_process_goes_on_in_time(store: SqliteStore, frozen: Process) -> None:
    late = asyncio.create_task(store.commit([put(thread("late"), 0)]))
    await asyncio.sleep(0)
    frozen.send_signal(signal.SIGCONT)
    await late
    assert await store.get(THREADS, "late") is not None


async def test_a_store_closes_while_a_process_is_frozen_in_its_commit(
    store: SqliteStore, frozen: Process, tmp_path: Path
) -> None:
    await store.close()
    frozen.kill()
    store = SqliteStore.open(tmp_path / "store.db", SPECS)
    await store.commit([put(thread("after"), 0)])
    await store.close()


# Holds two of SQLite's own locks on the shared memory, as a process does that recovers the log after another one was
# killed, and leaves the shared memory as that one did: half written.
RECOVERING = """
import fcntl, sys
WRITE, RECOVER = 120, 122
shared = open(sys.argv[1], "r+b", buffering=0)
for lock in WRITE, RECOVER:
    fcntl.lockf(shared, fcntl.LOCK_EX, 1, lock)
shared.write(bytes(48))
print(flush=True)
sys.stdin.readline()
"""


async def test_reads_wait_while_a_stand_in_for_another_process_recovers_the_log(
    store: SqliteStore, tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RECOVERING, str(tmp_path / "store.db-shm")),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert child.stdout is not None
    await child.stdout.readline()
    read = asyncio.create_task(store.get(THREADS, "before"))
    commit = asyncio.create_task(store.commit([put(thread("t1"), 0)]))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not read.done()
    assert not commit.done()
    await child.communicate(b"go on\n")
    assert await read is not None
    await commit
    assert await store.count(Query.by_id(THREADS)) == 2


class BusyAtItsFirstCommit(sqlite3.Connection):
    """A stand-in for a connection that meets another one in its first COMMIT once the store is open, which leaves the
    transaction open.
    """

    is_open = False
    met = False

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.is_open and not self.met:
            self.met = True
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return super().execute(sql, parameters)


async def test_a_commit_goes_on_after_a_stand_in_for_sqlite_was_busy_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=BusyAtItsFirstCommit))
    store = SqliteStore.open(tmp_path / "store.db", SPECS)
    monkeypatch.setattr(BusyAtItsFirstCommit, "is_open", True)
    await store.commit([put(thread("t1"), 0)])
    await store.commit([put(thread("t1"), 1)])
    await store.close()
    monkeypatch.setattr(BusyAtItsFirstCommit, "is_open", False)
    store = SqliteStore.open(tmp_path / "store.db", SPECS)
    assert [stored.revision for stored in await store.query(Query.by_id(THREADS))] == [2]
    await store.close()
