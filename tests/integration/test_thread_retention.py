"""Threads that go: temporary ones by themselves, and those that a person has too many of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    GetThreadRequest,
    ListThreadsRequest,
    PruneThreadsRequest,
    PruneThreadsResponse,
    ShareThreadRequest,
    UpdateThreadRequest,
)
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.clock import milliseconds, timestamp
from libs.common.process import Process
from tests.integration.calling import SignedIn, eventually, refused, sign_in
from tests.integration.conftest import open_house

MINUTE_MS = 60_000


class HeldClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 2_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def process(tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    monkeypatch.setenv("LLMCHAT_THREAD_EXPIRY", "0.02")
    async with open_house(tmp_path, "threads", clock=clock) as house:
        yield house.process


@pytest.fixture
async def alice(process: Process) -> AsyncIterator[SignedIn]:
    async with sign_in(process, ThreadsServiceStub, "user_alice") as [alice]:
        yield alice


async def open_thread(person: SignedIn, title: str, *, lifetime: int = 0, **settings: Any) -> Thread:
    request = CreateThreadRequest(title=title, lifetime_seconds=lifetime, settings=ThreadSettings(**settings))
    created: Thread = await person.CreateThread(request)
    return created


async def titles(person: SignedIn) -> set[str]:
    page = await person.ListThreads(ListThreadsRequest(page_size=100))
    return {thread.title for thread in page.threads}


async def set_end(person: SignedIn, thread: Thread, at: Timestamp | None) -> Thread:
    changed = Thread(id=thread.id, expires_at=at)
    updated: Thread = await person.UpdateThread(
        UpdateThreadRequest(thread=changed, update_mask=FieldMask(paths=["expires_at"]))
    )
    return updated


async def prune(person: SignedIn, keep: int = 0, *, dry_run: bool = False) -> PruneThreadsResponse:
    pruned: PruneThreadsResponse = await person.PruneThreads(PruneThreadsRequest(keep=keep, dry_run=dry_run))
    return pruned


class TestTemporary:
    async def test_it_goes_when_its_time_has_come_and_no_other(self, alice: SignedIn, clock: HeldClock) -> None:
        temporary = await open_thread(alice, "for a minute", lifetime=60)
        await open_thread(alice, "for an hour", lifetime=3600)
        await open_thread(alice, "for ever")
        assert milliseconds(temporary.expires_at) == clock.now + MINUTE_MS

        clock.now += MINUTE_MS + 1

        await eventually(lambda: titles(alice), lambda there: there == {"for an hour", "for ever"})

    async def test_it_stays_once_that_is_wished(self, alice: SignedIn, clock: HeldClock) -> None:
        kept = await open_thread(alice, "kept", lifetime=60)
        await open_thread(alice, "the sign that the others were looked at", lifetime=60)

        assert not (await set_end(alice, kept, None)).HasField("expires_at")
        clock.now += MINUTE_MS + 1

        await eventually(lambda: titles(alice), lambda there: there == {"kept"})

    async def test_another_end_is_set(self, alice: SignedIn, clock: HeldClock) -> None:
        thread = await open_thread(alice, "for a while")

        await set_end(alice, thread, timestamp(clock.now + MINUTE_MS))
        await set_end(alice, thread, timestamp(clock.now + 2 * MINUTE_MS))
        clock.now += 2 * MINUTE_MS + 1

        await eventually(lambda: titles(alice), lambda there: not there)

    @pytest.mark.parametrize("minutes", [-1, 0, 367 * 24 * 60], ids=["past", "now", "in more than a year"])
    async def test_an_end_is_within_a_year(self, alice: SignedIn, clock: HeldClock, minutes: int) -> None:
        thread = await open_thread(alice, "for a while")

        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await set_end(alice, thread, timestamp(clock.now + minutes * MINUTE_MS))

        assert refusal.fields == {"expires_at"}


class TestPruning:
    async def test_the_ones_longest_without_activity_go(self, alice: SignedIn, clock: HeldClock) -> None:
        for title in ("one", "two", "three", "four"):
            clock.now += 1000
            await open_thread(alice, title)

        shown = await prune(alice, keep=2, dry_run=True)
        assert await titles(alice) == {"one", "two", "three", "four"}

        done = await prune(alice, keep=2)
        assert await titles(alice) == {"three", "four"}
        assert list(done.thread_ids) == list(shown.thread_ids)
        assert len(done.thread_ids) == 2
        assert not done.has_more
        with refused(StatusCode.NOT_FOUND):
            await alice.GetThread(GetThreadRequest(id=done.thread_ids[0]))

    async def test_pinned_and_shared_ones_stay_and_do_not_count(self, alice: SignedIn, clock: HeldClock) -> None:
        await open_thread(alice, "pinned", is_pinned=True)
        shared = await open_thread(alice, "shared")
        await alice.ShareThread(ShareThreadRequest(id=shared.id, is_public=True))
        for title in ("one", "two"):
            clock.now += 1000
            await open_thread(alice, title)

        await prune(alice, keep=1)

        assert await titles(alice) == {"pinned", "shared", "two"}

    async def test_without_a_number_the_systems_limit_holds(self, process: Process, alice: SignedIn) -> None:
        for title in ("one", "two", "three"):
            await open_thread(alice, title)

        assert not (await prune(alice)).thread_ids
        process.limits.apply(SystemLimits(max_threads_per_user=2))
        assert len((await prune(alice)).thread_ids) == 1

    async def test_a_call_deletes_a_hundred(self, alice: SignedIn) -> None:
        for number in range(103):
            await open_thread(alice, f"{number}")

        first, second = await prune(alice, keep=1), await prune(alice, keep=1)

        assert (len(first.thread_ids), first.has_more) == (100, True)
        assert (len(second.thread_ids), second.has_more) == (2, False)
