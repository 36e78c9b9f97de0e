"""The migrations of this system on every durable engine: up, down, up again; by whom, and however often cut off."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_APPLIED,
    MIGRATION_STATE_PENDING,
    MIGRATION_STATE_ROLLED_BACK,
    MIGRATION_STATE_RUNNING,
    MIGRATION_STATE_VALIDATING,
)

from libs.common.clock import wall_clock
from libs.common.documents.system import MIGRATIONS
from libs.common.documents.unit import Unit
from libs.common.documents.upgraded import UpgradedStore
from libs.common.errors import Contended
from libs.common.migrations.lock import LockLost
from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.port import Query, Store, Write
from services.messages.collections import MESSAGES
from services.owned import held_by
from services.threads.collections import THREADS
from services.threads.rank import rank_of
from tests.conformance.migrating import (
    LEASE,
    Service,
    opened,
    parents,
    plant_messages,
    plant_threads,
    service_of,
    threads_of_before,
)
from tests.conformance.places import DURABLE, Place

durable = pytest.mark.parametrize("place", DURABLE, indirect=True)
UNDER_WAY = (MIGRATION_STATE_RUNNING, MIGRATION_STATE_VALIDATING)
THREADS_OF_BEFORE = 130


async def listed(service: Service, *, most: int = 50) -> list[str]:
    """The ids of ada's threads, in their order, page by page."""
    query = Query.where(THREADS, order="rank", descending=True, limit=most, user_id="user_ada")
    page = await service.documents.page(query, "")
    ids = [thread.id for thread in page.items]
    while page.next_token:
        page = await service.documents.page(query, page.next_token)
        ids += [thread.id for thread in page.items]
    return ids


@durable
async def test_threads_get_their_rank_and_lose_it_and_get_it_again(place: Place) -> None:
    before = threads_of_before(THREADS_OF_BEFORE)
    in_order = [thread.id for thread in sorted(before, key=rank_of, reverse=True)]
    async with opened(place, "threads") as service:
        await plant_threads(service, THREADS_OF_BEFORE)
        assert await service.states() == [MIGRATION_STATE_PENDING]

        for revision in (2, 4):
            *_, record = await service.up()
            (progress,) = record.progress
            assert (record.state, progress.read, progress.rewritten) == (
                MIGRATION_STATE_APPLIED,
                THREADS_OF_BEFORE,
                THREADS_OF_BEFORE,
            )
            migrated = await service.all_of(THREADS)
            assert [thread.rank for thread in migrated] == [rank_of(thread) for thread in before]
            assert {(thread.schema_version, thread.etag) for thread in migrated} == {(2, str(revision))}
            assert await listed(service) == in_order
            assert await service.up() == [], "what is applied is left alone"

            *_, record = await service.down()
            assert (record.state, record.progress[0].rolled_back) == (MIGRATION_STATE_ROLLED_BACK, THREADS_OF_BEFORE)
            assert {(thread.schema_version, thread.rank) for thread in await service.all_of(THREADS)} == {(1, 0)}


@durable
async def test_messages_get_what_they_follow_and_lose_it_and_get_it_again(place: Place) -> None:
    async with opened(place, "messages") as service:
        await plant_messages(service, 55)
        before = await service.all_of(MESSAGES)
        expected = parents(before)
        for message in before:
            earlier = [one for one in before if one.model_id == message.model_id and one.position < message.position]
            expected[message.id] = earlier[-1].id if earlier else ""
        assert sorted(expected.values())[:3] == ["", "", before[0].id]

        for _ in range(2):
            *_, record = await service.up()
            assert (record.state, record.progress[0].rewritten) == (MIGRATION_STATE_APPLIED, 108)
            assert parents(await service.all_of(MESSAGES)) == expected

            *_, record = await service.down()
            assert (record.state, record.progress[0].rolled_back) == (MIGRATION_STATE_ROLLED_BACK, 108)
            assert set(parents(await service.all_of(MESSAGES)).values()) == {""}


@durable
async def test_readers_and_writers_go_on_while_documents_are_migrated(place: Place) -> None:
    """They meet every document as it will be, rewritten or not, and lists hold each once; a write upgrades it."""
    before = {thread.id: rank_of(thread) for thread in threads_of_before(THREADS_OF_BEFORE)}
    async with opened(place, "threads") as service:
        await plant_threads(service, THREADS_OF_BEFORE)
        states: Counter[int] = Counter()
        async for record in service.runner.up("a test"):
            states[record.state] += 1
            ids = await listed(service, most=20)
            assert (len(ids), set(ids)) == (THREADS_OF_BEFORE, set(before))
            last = await service.documents.get(THREADS, max(before))
            assert (last.schema_version, last.rank) == (2, before[last.id])
            if record.progress[0].read == 100:
                await service.documents.unit(partial(retitle, max(before)))
        assert min(states[state] for state in UNDER_WAY) > 1
        last = (await service.all_of(THREADS))[-1]
        assert (last.title, last.etag, last.rank) == ("Another title", "2", before[last.id])


async def retitle(id: str, unit: Unit) -> None:
    thread = await unit.get(THREADS, id)
    thread.title = "Another title"
    unit.put(THREADS, thread)


@durable
async def test_one_that_is_killed_is_gone_on_with_where_it_was(place: Place) -> None:
    """Each document is rewritten once: by whom, its revision does not say, but how often."""
    number = 500
    async with opened(place, "threads", holder="another") as service:
        await plant_threads(service, number)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.conformance.migrating", str(place)), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(3):
            line = await child.stdout.readline()
        child.kill()
        await child.communicate()
        (cut_off,) = await service.raw.query(Query.by_id(MIGRATIONS))
        assert cut_off.state == MIGRATION_STATE_RUNNING
        assert int(line.split()[1]) <= cut_off.progress[0].rewritten < number

        async with asyncio.timeout(60):
            while True:
                try:
                    *_, record = await service.up()
                    break
                except Contended:  # until the dead one's lease has run out
                    await asyncio.sleep(LEASE / 10)
        assert (record.state, record.progress[0].rewritten) == (MIGRATION_STATE_APPLIED, number)
        assert record.applied_by == "the process"
        assert {thread.etag for thread in await service.all_of(THREADS)} == {"2"}
        if place.journaled:
            rewritten = Counter(
                entry.document_id for entry in await service.all_of(JOURNAL) if entry.collection == "threads"
            )
            assert set(rewritten.values()) == {2}, "made, and rewritten once"


class LateStore(UpgradedStore):
    """A store whose commits wait while `may_commit` is cleared; `waits` is set once one does."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, {})
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.waits = asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> None:
        if not self.may_commit.is_set():
            self.waits.set()
            await self.may_commit.wait()
        await super().commit(writes)


@durable
async def test_whoever_has_lost_the_lock_stores_no_page_more(place: Place) -> None:
    """The first one is held up in the commit of its page, while another one finds its lease past its time."""
    store = await place.open(held_by("threads"))
    late = LateStore(store)
    first = service_of(late, "threads", holder="first")
    async with opened(place, "threads", clock=lambda: wall_clock() + 60_000, holder="second") as second:
        await plant_threads(second, THREADS_OF_BEFORE)
        steps = first.runner.up("first")
        assert (await anext(steps)).state == MIGRATION_STATE_RUNNING
        late.may_commit.clear()
        page = asyncio.ensure_future(anext(steps))
        await late.waits.wait()

        others = second.runner.up("second")
        assert [(await anext(others)).progress[0].rewritten for _ in range(2)] == [0, 100]
        stored = await second.all_of(THREADS)
        late.may_commit.set()
        with pytest.raises(LockLost):
            await page
        assert await second.all_of(THREADS) == stored

        *_, record = [record async for record in others]
        assert (record.state, record.progress[0].rewritten) == (MIGRATION_STATE_APPLIED, THREADS_OF_BEFORE)
        assert {thread.etag for thread in await second.all_of(THREADS)} == {"2"}
    await store.close()


@durable
async def test_while_one_runs_them_another_is_refused(place: Place) -> None:
    async with opened(place, "threads") as one, opened(place, "threads", holder="another") as another:
        await plant_threads(one, THREADS_OF_BEFORE)
        steps = one.runner.up("one")
        await anext(steps)
        with pytest.raises(Contended) as refusal:
            await another.up()
        assert refusal.value.reason == "MIGRATIONS_UNDER_WAY"
        await steps.aclose()
        *_, record = await another.up()
        assert record.state == MIGRATION_STATE_APPLIED, "who stops lets others have the lock"
