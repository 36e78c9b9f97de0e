"""The client's watch of threads, over a line that breaks: each thread told once at each revision, however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import ThreadChange

from libs.client import Client
from libs.common.errors import Unauthenticated, Unavailable
from tests.integration.conftest import House
from tests.standins.wire import Wire


@dataclass
class Ada:
    """One person, twice: over a line that can be cut, and over one that stands."""

    wire: Wire
    watching: Client
    working: Client

    async def rename(self, thread: Thread, title: str) -> Thread:
        return await self.working.update_thread(Thread(id=thread.id, title=title), ["title"])


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Ada]:
    token, _ = house.process.tokens.issue_user("user_ada", False)
    async with (
        Wire(int(house.address.rpartition(":")[2])) as wire,
        Client(f"127.0.0.1:{wire.port}", token=token, patience=20) as watching,
        Client(house.address, token=token) as working,
    ):
        yield Ada(wire, watching, working)


async def take(watch: AsyncIterator[ThreadChange], count: int) -> list[ThreadChange]:
    async with asyncio.timeout(20):
        return [await anext(watch) for _ in range(count)]


def told(*threads: Thread) -> list[ThreadChange]:
    return [ThreadChange(thread=thread) for thread in threads]


def in_any_order(changes: Sequence[ThreadChange]) -> list[bytes]:
    return sorted(change.SerializeToString(deterministic=True) for change in changes)


async def test_what_is_there_then_what_changes(ada: Ada) -> None:
    first = await ada.working.create_thread("first")
    watch = ada.watching.watch_threads()
    begin = await take(watch, 2)
    assert begin[:1] == told(first)
    assert begin[1].HasField("synced")
    second = await ada.working.create_thread("second")
    assert await take(watch, 1) == told(second)
    await ada.working.delete_thread(first.id)
    assert await take(watch, 1) == [ThreadChange(deleted_id=first.id)]


async def test_a_watch_that_breaks_goes_on_with_what_it_missed(ada: Ada) -> None:
    kept, renamed, deleted = [await ada.working.create_thread(title) for title in ("kept", "renamed", "deleted")]
    watch = ada.watching.watch_threads()
    await take(watch, 4)
    for turn in range(3):
        ada.wire.cut()
        changes = told(await ada.rename(renamed, f"turn {turn}"), await ada.working.create_thread("new"))
        if turn == 1:
            await ada.working.delete_thread(deleted.id)
            changes.append(ThreadChange(deleted_id=deleted.id))
        assert in_any_order(await take(watch, len(changes))) == in_any_order(changes)
    moved = await ada.rename(kept, "moved")
    assert await take(watch, 1) == told(moved), "nothing is told again, `synced` neither"


async def test_what_it_did_not_begin_with_is_followed_too(ada: Ada) -> None:
    renamed, deleted, *_ = [await ada.working.create_thread(str(number)) for number in range(5)]
    watch = ada.watching.watch_threads(limit=1)
    await take(watch, 2)
    changes = told(await ada.rename(renamed, "once"), await ada.rename(deleted, "once"))
    assert await take(watch, 2) == changes

    ada.wire.cut()
    twice = await ada.rename(renamed, "twice")
    await ada.working.delete_thread(deleted.id)
    missed = [*told(twice), ThreadChange(deleted_id=deleted.id)]
    assert in_any_order(await take(watch, 2)) == in_any_order(missed)


async def test_a_watch_that_stays_broken_is_given_up(ada: Ada, house: House) -> None:
    async with Client(f"127.0.0.1:{ada.wire.port}", token=ada.watching.token, patience=0.5) as client:
        watch = client.watch_threads()
        await take(watch, 1)
        await house.process.stop()
        with pytest.raises(Unavailable):
            await take(watch, 1)


async def test_what_the_server_refuses_is_not_tried_again(ada: Ada) -> None:
    ada.watching.token = "no token"
    with pytest.raises(Unauthenticated):
        await take(ada.watching.watch_threads(), 1)
