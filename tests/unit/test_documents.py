"""Documents: units of work, requests that are repeated, pages, masks. On the memory provider."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.clock import timestamp
from libs.common.context import Call, Caller, enter_call
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.leases import renew_lease, take_lease
from libs.common.documents.masks import apply_mask
from libs.common.documents.pages import PageTokens
from libs.common.documents.retention import REQUESTS_KEPT_MS, Retention
from libs.common.documents.system import LEASES, REQUESTS, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit, new_id, require_etag
from libs.common.errors import Contended, Invalid, NotFound, Precondition, Stale
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Index, Query, Write

THREADS = CollectionSpec("threads", Thread, "thread", (Index(("user_id",), "updated_at"),))
ANNA = Call("/Create", Caller(user_id="anna"))


class HeldClock:
    """Stands still until it is told the time, in milliseconds."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


class SlowStore(MemoryStore):
    """Commits once it is told that the disk is done."""

    def __init__(self, specs: Sequence[CollectionSpec[Any]]) -> None:
        super().__init__(specs)
        self.committing, self.durable = asyncio.Event(), asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> None:
        self.committing.set()
        await self.durable.wait()
        await super().commit(writes)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def documents(clock: HeldClock) -> Documents:
    store = MemoryStore([THREADS, *SYSTEM_COLLECTIONS])
    return Documents(store, clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


def thread(id: str, *, user: str = "anna", at: int = 0, title: str = "") -> Thread:
    return Thread(id=id, user_id=user, title=title, updated_at=timestamp(at))


async def put(documents: Documents, *threads: Thread) -> None:
    async def work(unit: Unit) -> None:
        for one in threads:
            unit.create(THREADS, one)

    await documents.unit(work)


def newest_first(user: str, limit: int) -> Query[Thread]:
    return Query.where(THREADS, order="updated_at", descending=True, limit=limit, user_id=user)


async def test_a_document_carries_its_revision_as_etag(documents: Documents) -> None:
    await put(documents, thread("thread_1"))

    async def rename(unit: Unit) -> Thread:
        found = await unit.get(THREADS, "thread_1")
        found.title = "Renamed"
        return unit.put(THREADS, found)

    assert (await documents.get(THREADS, "thread_1")).etag == "1"
    assert (await documents.unit(rename)).etag == "2"
    assert (await documents.get(THREADS, "thread_1")).etag == "2"


async def test_a_change_on_a_stale_etag_is_refused(documents: Documents) -> None:
    await put(documents, thread("thread_1"))
    found = await documents.get(THREADS, "thread_1")
    require_etag(found, "1")
    require_etag(found, "")
    with pytest.raises(Stale):
        require_etag(found, "7")


async def test_concurrent_units_lose_no_update(documents: Documents) -> None:
    await put(documents, thread("thread_1"))

    async def count(unit: Unit) -> None:
        found = await unit.get(THREADS, "thread_1")
        await asyncio.sleep(0)
        found.total_messages += 1
        unit.put(THREADS, found)

    await asyncio.gather(*(documents.unit(count) for _ in range(4)))
    assert (await documents.get(THREADS, "thread_1")).total_messages == 4


async def test_a_unit_that_never_wins_gives_up_and_stores_nothing(documents: Documents) -> None:
    await put(documents, thread("thread_1"))

    async def overtaken(unit: Unit) -> None:
        mine = await unit.get(THREADS, "thread_1")
        mine.title = "mine"

        async def overtake(other: Unit) -> None:
            other.put(THREADS, await other.get(THREADS, "thread_1"))

        await documents.unit(overtake)
        unit.put(THREADS, mine)

    with pytest.raises(Contended):
        await documents.unit(overtaken)
    assert (await documents.get(THREADS, "thread_1")).title == ""


async def test_what_follows_a_commit_happens_once_and_only_after_it(documents: Documents) -> None:
    done: list[str] = []

    async def work(unit: Unit) -> None:
        unit.create(THREADS, thread("thread_1"))
        unit.hint(lambda: done.append("hint"))
        unit.then(lambda: done.append("after"))
        assert done == []

    await documents.unit(work)
    assert done == ["after", "hint"]


async def test_what_follows_a_commit_happens_although_its_caller_has_gone(clock: HeldClock) -> None:
    store = SlowStore([THREADS, *SYSTEM_COLLECTIONS])
    documents = Documents(store, clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
    happened = asyncio.Event()

    async def work(unit: Unit) -> None:
        unit.create(THREADS, thread("thread_1"))
        unit.then(happened.set)

    caller = asyncio.create_task(documents.unit(work))
    await store.committing.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not happened.is_set()
    store.durable.set()
    async with asyncio.timeout(1):
        await happened.wait()
    assert await documents.find(THREADS, "thread_1")


async def test_a_unit_reads_its_own_writes(documents: Documents) -> None:
    async def work(unit: Unit) -> None:
        unit.create(THREADS, thread("thread_1", title="new"))
        assert (await unit.get(THREADS, "thread_1")).title == "new"
        unit.delete(THREADS, "thread_1")
        with pytest.raises(NotFound):
            await unit.get(THREADS, "thread_1")

    await documents.unit(work)
    assert await documents.find(THREADS, "thread_1") is None


class TestRepeatedRequests:
    """`once`: a request id makes a request one effect, however often it is sent."""

    @staticmethod
    async def create(documents: Documents, request: CreateThreadRequest, call: Call = ANNA) -> Thread:
        async def work(unit: Unit) -> Thread:
            return unit.create(THREADS, Thread(id=new_id(THREADS), title=request.title))

        return await documents.once(call, request, Thread, work)

    async def test_a_repeat_gets_the_first_answer(self, documents: Documents) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")
        first = await self.create(documents, request)
        assert await self.create(documents, request) == first

    async def test_two_at_the_same_time_are_one(self, documents: Documents) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")
        first, second = await asyncio.gather(self.create(documents, request), self.create(documents, request))
        assert first == second
        assert await documents.store.count(Query.by_id(THREADS)) == 1

    async def test_one_that_meets_the_others_effect_before_its_record_is_answered_too(
        self, documents: Documents
    ) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")
        overtakers = []

        async def overtaken(unit: Unit) -> Thread:
            overtakers.append(await self.create(documents, request))
            raise Precondition("there is one already", reason="BUSY")

        assert await documents.once(ANNA, request, Thread, overtaken) == overtakers[0]

    async def test_a_refusal_is_no_answer_to_repeat(self, documents: Documents) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")

        async def refuse(unit: Unit) -> Thread:
            raise Precondition("not now", reason="BUSY")

        with pytest.raises(Precondition):
            await documents.once(ANNA, request, Thread, refuse)
        assert (await self.create(documents, request)).title == "once"

    async def test_another_body_is_refused(self, documents: Documents) -> None:
        await self.create(documents, CreateThreadRequest(title="one", request_id="r1"))
        with pytest.raises(Invalid) as refused:
            await self.create(documents, CreateThreadRequest(title="two", request_id="r1"))
        assert refused.value.reason == "REQUEST_ID_REUSED"

    async def test_an_answer_under_a_key_that_has_been_removed_is_not_made_twice(
        self, documents: Documents, clock: HeldClock
    ) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")
        first = await self.create(documents, request)
        store, pages = documents.store, PageTokens([b"p" * 32])
        rotated = Documents(store, clock, pages, RequestSeal([b"n" * 32, b"d" * 32]))
        without = Documents(store, clock, pages, RequestSeal([b"n" * 32]))

        assert await self.create(rotated, request) == first
        with pytest.raises(Precondition) as refused:
            await self.create(without, request)
        assert refused.value.reason == "ANSWER_UNREADABLE"

    async def test_callers_do_not_share_request_ids(self, documents: Documents) -> None:
        request = CreateThreadRequest(title="once", request_id="r1")
        first = await self.create(documents, request)
        assert (await self.create(documents, request, Call("/Create", Caller(user_id="ben")))).id != first.id

    async def test_records_are_kept_for_a_day(self, documents: Documents, clock: HeldClock) -> None:
        await self.create(documents, CreateThreadRequest(title="once", request_id="r1"))
        clock.now += REQUESTS_KEPT_MS - 1
        await Retention(documents).remove_expired()
        assert await documents.store.count(Query.by_id(REQUESTS)) == 1
        clock.now += 1
        await Retention(documents).remove_expired()
        assert await documents.store.count(Query.by_id(REQUESTS)) == 0


class TestPages:
    """Pages follow one another without a gap, and their tokens cannot be made up."""

    async def test_ties_lose_nothing(self, documents: Documents) -> None:
        await put(documents, *(thread(f"thread_{number}", at=5) for number in range(7)))
        seen: list[str] = []
        token = ""
        while True:
            page = await documents.page(newest_first("anna", 3), token)
            seen += [one.id for one in page.items]
            token = page.next_token
            if not token:
                break
        assert sorted(seen) == [f"thread_{number}" for number in range(7)]

    async def test_the_last_page_has_no_token_and_counts_are_asked_for(self, documents: Documents) -> None:
        await put(documents, thread("thread_1"), thread("thread_2"))
        page = await documents.page(newest_first("anna", 2), "", count=True)
        assert (page.next_token, page.total) == ("", 2)
        assert (await documents.page(newest_first("anna", 2), "")).total is None

    async def test_a_page_never_outgrows_what_grpc_lets_through(self, documents: Documents) -> None:
        long = "x" * 1_200_000
        await put(documents, *(thread(f"thread_{number}", at=number, title=long) for number in range(4)))
        page = await documents.page(newest_first("anna", 4), "")
        assert [one.id for one in page.items] == ["thread_3", "thread_2"]
        page = await documents.page(newest_first("anna", 4), page.next_token)
        assert [one.id for one in page.items] == ["thread_1", "thread_0"]

    @pytest.mark.parametrize("change", ["edited", "another query", "another caller", "not base64", "empty payload"])
    async def test_a_token_serves_its_own_query_and_caller_alone(self, documents: Documents, change: str) -> None:
        await put(documents, thread("thread_1"), thread("thread_2"), thread("thread_3", user="ben"))
        enter_call(ANNA)
        token = (await documents.page(newest_first("anna", 1), "")).next_token
        query = newest_first("anna", 1)
        match change:
            case "edited":
                token = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
            case "another query":
                query = newest_first("ben", 1)
            case "another caller":
                enter_call(Call("/List", Caller(user_id="ben")))
            case "not base64":
                token = "?!"
            case _:
                token = "AA"
        with pytest.raises(Invalid) as refused:
            await documents.page(query, token)
        assert refused.value.reason == "INVALID_PAGE_TOKEN"


class TestMasks:
    """A mask names what is replaced; everything else stays."""

    def test_named_fields_are_replaced_and_unset_ones_cleared(self) -> None:
        target = thread("thread_1", title="old")
        target.settings.color = "#000000"
        target.settings.tags.extend(["a", "b"])
        source = Thread(title="new")
        source.settings.tags.append("c")
        apply_mask(FieldMask(paths=["title", "settings.tags"]), source, target, ("title", "settings"))
        assert target.title == "new"
        assert list(target.settings.tags) == ["c"]
        assert target.settings.color == "#000000"
        apply_mask(FieldMask(paths=["settings"]), Thread(), target, ("title", "settings"))
        assert not target.HasField("settings")

    def test_every_path_that_cannot_be_changed_is_listed(self) -> None:
        with pytest.raises(Invalid) as refused:
            apply_mask(
                FieldMask(paths=["title", "user_id", "nonsense", "settings.nonsense", "title.x"]),
                Thread(),
                Thread(),
                ("title", "settings"),
            )
        assert [violation.description.split("'")[1] for violation in refused.value.violations] == [
            "user_id",
            "nonsense",
            "settings.nonsense",
            "title.x",
        ]

    def test_an_empty_mask_is_refused(self) -> None:
        with pytest.raises(Invalid):
            apply_mask(FieldMask(), Thread(), Thread(), ("title",))


class TestLeases:
    """One holder at a time; a lease that ran out may be taken."""

    async def test_a_running_lease_is_not_taken(self, documents: Documents, clock: HeldClock) -> None:
        assert await documents.unit(lambda unit: take_lease(unit, "job", "one", "a1", seconds=10))
        assert not await documents.unit(lambda unit: take_lease(unit, "job", "two", "a2", seconds=10))
        clock.now += 10_000
        assert await documents.unit(lambda unit: take_lease(unit, "job", "two", "a2", seconds=10))
        assert (await documents.get(LEASES, "job")).holder == "two"

    async def test_only_its_own_attempt_renews_it(self, documents: Documents, clock: HeldClock) -> None:
        await documents.unit(lambda unit: take_lease(unit, "job", "one", "a1", seconds=10))
        clock.now += 5_000
        assert await documents.unit(lambda unit: renew_lease(unit, "job", "a1", seconds=10))
        assert not await documents.unit(lambda unit: renew_lease(unit, "job", "a0", seconds=10))
        clock.now += 9_999
        assert not await documents.unit(lambda unit: take_lease(unit, "job", "two", "a2", seconds=10))
