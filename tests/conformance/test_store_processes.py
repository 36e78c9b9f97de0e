"""What a durable store promises to several processes that have it open at the same time.

`LLMCHAT_TEST_SHARING=20` makes every test of this file so many times longer; `LLMCHAT_TEST_INCREMENTS=100000` is how
many increments of one document there are in all.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.port import CollectionSpec, Query, Store
from tests.conformance.acknowledging import CALLERS, all_ids, no_commit_is_torn
from tests.conformance.places import DURABLE, Place
from tests.conformance.specimens import LEASES, THREADS, put, thread
from tests.engines.running import Engines

LONGER = int(os.environ.get("LLMCHAT_TEST_SHARING", "1"))
INCREMENTS = int(os.environ.get("LLMCHAT_TEST_INCREMENTS", 180 * LONGER))

# Starts a process: module and arguments.
Start = Callable[..., Awaitable[Process]]


durable = pytest.mark.parametrize("place", DURABLE, indirect=True)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts processes, and ends those that are still there."""
    started: list[Process] = []

    async def start(module: str, *arguments: object) -> Process:
        started.append(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.conformance.{module}", *map(str, arguments)), stdin=PIPE, stdout=PIPE
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def begin(*processes: Process) -> None:
    """Lets the processes begin together."""
    assert [await line(process) for process in processes] == ["ready"] * len(processes)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"begin\n")


async def outputs(*processes: Process) -> list[list[str]]:
    """Lets the processes begin together and waits for their ends: what each of them printed, by words."""
    await begin(*processes)
    ended = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [output.decode().split() for output, _ in ended]


@durable
@pytest.mark.timeout(120 + INCREMENTS // 10)
async def test_increments_of_one_document_sum_up(place: Place, store: Store, start: Start) -> None:
    await store.commit([put(thread("t1"), 0)])
    shares = [INCREMENTS // 3, INCREMENTS // 3, INCREMENTS - 2 * (INCREMENTS // 3)]
    await outputs(*[await start("sharing", place, "increment", share, "t1") for share in shares])
    stored = await store.get(THREADS, "t1")
    assert stored is not None
    assert (stored.message.total_messages, stored.revision) == (INCREMENTS, INCREMENTS + 1)


@durable
async def test_of_the_processes_that_create_a_document_one_wins(place: Place, store: Store, start: Start) -> None:
    count, names = 60 * LONGER, ["ada", "bob", "cyd", "dan"]
    won = await outputs(*[await start("sharing", place, "create", count, name) for name in names])
    assert sorted(id for ids in won for id in ids) == sorted(f"contested.{number}" for number in range(count))
    for name, ids in zip(names, won, strict=True):
        assert {stored.message.title for stored in await store.get_many(THREADS, ids)} <= {name}
        beside = await all_ids(store, THREADS, f"{name}.")
        assert sorted(beside) == sorted(id.replace("contested", name) for id in ids)


@durable
async def test_a_process_that_is_killed_in_its_commits_takes_nothing_along(
    place: Place, store: Store, start: Start
) -> None:
    for round_ in range(2 * LONGER):
        names = [f"{round_}-{name}" for name in ("killed", "second", "third")]
        processes = [await start("acknowledging", place, name) for name in names]
        acknowledged = [[await line(process) for _ in range(40)] for process in processes]
        for process, ids in zip(processes, acknowledged, strict=True):
            process.kill()
            # The others go on.
            for other, others in zip(processes, acknowledged, strict=True):
                if other.returncode is None and other is not process:
                    others += [await line(other) for _ in range(80)]
            rest, _ = await process.communicate()
            ids += rest.decode().split()
        for name, ids in zip(names, acknowledged, strict=True):
            assert [stored.id for stored in await store.get_many(THREADS, ids)] == ids
            await no_commit_is_torn(store, name)


@durable
async def test_processes_that_commit_all_the_time_take_turns(place: Place, store: Store, start: Start) -> None:
    """Without turns one of them commits again and again, while the others wait for a gap."""
    for process in [await start("acknowledging", place, name) for name in "ab"]:
        await line(process)
    others: list[int] = []
    for number in range(100 * LONGER):
        before = await store.count(Query.by_id(LEASES))
        await store.commit([put(thread(f"mine.{number}"), 0)])
        others.append(await store.count(Query.by_id(LEASES)) - before)
    assert sum(others) > 0
    # Between two commits of ours at most a turn of each, with a commit of every caller.
    assert statistics.median(others) <= 3 * CALLERS


@durable
async def test_a_query_sees_whole_commits_of_other_processes(place: Place, store: Store, start: Start) -> None:
    await store.commit([put(thread("pair.1", user="pair"), 0), put(thread("pair.2", user="pair"), 0)])
    for_ever = 10**9
    writers = [
        await start("sharing", place, "increment", for_ever, "pair.1", "pair.2"),
        await start("sharing", place, "increment", for_ever, "pair.2", "pair.1"),
    ]
    await begin(*writers)
    seen: set[int] = set()
    while len(seen) < 60 * LONGER:
        assert [writer.returncode for writer in writers] == [None, None]
        for pair in (
            await store.get_many(THREADS, ["pair.1", "pair.2"]),
            await store.query(Query.by_id(THREADS, "pair.")),
            await store.query(Query.where(THREADS, user_id="pair", order="total_messages")),
        ):
            (total,) = {stored.message.total_messages for stored in pair}
            assert [stored.revision for stored in pair] == [total + 1, total + 1]
            seen.add(total)
        await asyncio.sleep(0)


@durable
async def test_nothing_that_asserts_a_documents_absence_is_stored_after_another_process_put_it(
    place: Place, store: Store, start: Start
) -> None:
    rounds = 20 * LONGER
    adding = [await start("sharing", place, "add_children", rounds, name) for name in "ab"]
    burying = await start("sharing", place, "bury", rounds)
    *_, found = await outputs(*adding, burying)
    assert sorted(found) == await all_ids(store, THREADS, "child.")
    assert len({id.split(".")[1] for id in found}) == rounds


@pytest.mark.parametrize("place", [name for name in DURABLE if name.endswith("journaled")], indirect=True)
async def test_the_journal_has_every_revision_once(place: Place, store: Store, start: Start) -> None:
    await store.commit([put(thread("t1"), 0)])
    times = 40 * LONGER
    await outputs(
        await start("sharing", place, "increment", times, "t1"),
        await start("sharing", place, "increment", times, "t1"),
        await start("sharing", place, "overwrite", times, "t1"),
    )
    last = await store.get(THREADS, "t1")
    assert last is not None
    entries: list[JournalEntry] = []
    while page := await store.query(Query.by_id(JOURNAL, after=entries[-1].id if entries else None)):
        entries += [stored.message for stored in page]
    entries.sort(key=lambda entry: entry.revision)
    assert [entry.revision for entry in entries] == list(range(1, 3 * times + 2))
    before = b""
    for entry in entries:
        assert entry.before == before
        before = entry.after
    assert Thread.FromString(before) == last.message


@pytest.mark.parametrize("provider", DURABLE)
async def test_processes_open_one_place_at_the_same_moment(
    provider: str, engines: Engines, start: Start, tmp_path: Path
) -> None:
    """A new place, or one whose indexes are not there yet; in between all of them close it."""
    processes = [await start("opening") for _ in range(4)]
    assert [await line(process) for process in processes] == ["ready"] * 4
    for round_ in range(8 * LONGER):
        folder = tmp_path / str(round_)
        folder.mkdir()
        place = Place.of(provider, folder, engines)
        old = 200 * (round_ % 2)
        if old:
            store = await place.open([CollectionSpec("threads", Thread), JOURNAL])
            await store.commit([put(thread(f"old.{number}", user="u", at=number), 0) for number in range(old)])
            await store.close()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{place}\n".encode())
        assert [await line(process) for process in processes] == ["opened and closed"] * 4
        opened = await place.open()
        query = Query.where(THREADS, user_id="u", settings__is_archived=False, order="updated_at")
        assert len(await opened.query(query)) == old
        assert await opened.count(Query.by_id(THREADS, "new.")) == 4
        await opened.close()
