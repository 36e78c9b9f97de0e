"""An answer that another replica writes is ended from here: nothing is announced that is not in what is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from llmchat.messages.stored.v1.stream_pb2 import Chunk
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    MESSAGE_STATUS_GENERATING,
    MESSAGE_STATUS_PENDING,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_INTERRUPT

from libs.common.clock import milliseconds
from libs.common.documents.system import OUTBOX
from libs.common.errors import Unavailable
from libs.common.store.memory import MemoryStore
from libs.common.store.port import M, Put, Query, Stored, Write
from tests.integration.calling import eventually
from tests.unit.replicas import DAY, LEASE, Installation, Replica, installed, said


@pytest.fixture
async def installation() -> AsyncIterator[Installation]:
    async with installed() as installation:
        yield installation


class HeldStore:
    """A stand-in for a replica's way to the store: `before_commit` happens before each commit of chunks."""

    def __init__(self, store: MemoryStore, before_commit: Callable[[list[Chunk]], Awaitable[None]]) -> None:
        self._store = store
        self._before_commit = before_commit

    async def commit(self, writes: Sequence[Write]) -> None:
        chunks = [one.message for one in writes if isinstance(one, Put) and isinstance(one.message, Chunk)]
        if chunks:
            await self._before_commit(chunks)
        await self._store.commit(writes)

    async def get(self, *wanted: object) -> Stored[M] | None:
        return await self._store.get(*wanted)  # type: ignore[arg-type]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        return await self._store.query(query)


def ended_as(answer: Message, status: int, tokens: Sequence[str], code: str = "") -> bool:
    return (answer.status, said(answer), answer.error.code) == (status, list(tokens), code)


class TestCancelling:
    async def test_from_another_replica(self, installation: Installation) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        viewers = [one.follow(message_id), other.follow(message_id)]
        one.model.say("a", "b")
        await installation.stored(message_id, "ab")

        await other.generations.cancel(message_id)

        assert ended_as(await other.answer(message_id), MESSAGE_STATUS_CANCELLED, "ab")
        one.model.say("c", "d")
        assert [(await viewer).tokens for viewer in viewers] == [["a", "b"], ["a", "b"]]
        await eventually(lambda: _runs(one, message_id), lambda runs: not runs)

    async def test_waits_for_no_frozen_writer_and_that_announces_nothing_when_it_wakes(
        self, installation: Installation
    ) -> None:
        """Frozen in the middle of its commit, which its own clock and its lease had allowed; for hours."""
        frozen, woken = asyncio.Event(), asyncio.Event()

        async def freeze(chunks: list[Chunk]) -> None:
            if chunks[0].tokens.text == "c":
                frozen.set()
                await woken.wait()

        one = installation.replica("one", store=HeldStore(installation.store, freeze))  # type: ignore[arg-type]
        other = installation.replica("other")
        message_id = await one.ask()
        viewer = one.follow(message_id)
        one.model.say("a", "b")
        await installation.stored(message_id, "ab")
        one.model.say("c")
        await frozen.wait()

        await other.generations.cancel(message_id)
        installation.clock.now += DAY - 1
        woken.set()

        assert (await viewer).tokens == ["a", "b"]
        assert ended_as(await other.answer(message_id), MESSAGE_STATUS_CANCELLED, "ab")

    async def test_the_fence_goes_after_a_day(self, installation: Installation) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        await other.generations.cancel(message_id)
        assert [chunk.is_fence for chunk in await installation.chunks()] == [True]
        assert [lease.holder for lease in await installation.leases()] == [""]
        installation.clock.now += DAY
        await eventually(installation.leftovers, lambda left: left == 0)

    async def test_nothing_is_left_of_one_that_is_cancelled_where_it_is_written(
        self, installation: Installation
    ) -> None:
        one = installation.replica("one")
        message_id = await one.ask()
        one.model.say("a")
        await installation.stored(message_id, "a")
        await one.generations.cancel(message_id)
        assert await installation.leftovers() == 0

    async def test_a_writer_that_is_quicker_keeps_what_it_stored(self, installation: Installation) -> None:
        """Whatever it had announced before the fence stood is part of the answer."""
        one = installation.replica("one")
        overtaken = iter("cde")

        async def overtake(chunks: list[Chunk]) -> None:
            if chunks[0].is_fence and (token := next(overtaken, "")):
                one.model.say(token)
                await installation.stored(message_id, "abcde"[: "abcde".index(token) + 1])

        other = installation.replica("other", store=HeldStore(installation.store, overtake))  # type: ignore[arg-type]
        message_id = await one.ask()
        viewer = one.follow(message_id)
        one.model.say("a", "b")
        await installation.stored(message_id, "ab")
        await other.generations.cancel(message_id)
        one.model.say("f")
        assert (await viewer).tokens == list("abcde")
        assert ended_as(await other.answer(message_id), MESSAGE_STATUS_CANCELLED, "abcde")

    async def test_a_writer_whose_end_comes_first_has_ended_it(self, installation: Installation) -> None:
        one = installation.replica("one")

        async def finish(chunks: list[Chunk]) -> None:
            one.model.finish()
            await installation.ended(message_id)

        other = installation.replica("other", store=HeldStore(installation.store, finish))  # type: ignore[arg-type]
        message_id = await one.ask()
        one.model.say("a", "b")
        await installation.stored(message_id, "ab")
        await other.generations.cancel(message_id)
        assert ended_as(await other.answer(message_id), MESSAGE_STATUS_COMPLETE, "ab")
        assert await installation.leftovers() == 0

    async def test_by_several_at_once(self, installation: Installation) -> None:
        one, *others = (installation.replica(name) for name in ("one", "two", "three", "four"))
        message_id = await one.ask()
        one.model.say("a")
        await installation.stored(message_id, "a")
        await asyncio.gather(*(other.generations.cancel(message_id) for other in others))
        assert ended_as(await one.answer(message_id), MESSAGE_STATUS_CANCELLED, "a")
        assert await ends_told(installation) == 1, "its end is told once"

    async def test_one_that_waits_for_its_turn(self, installation: Installation) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        running, waiting = await one.ask(), await one.ask()
        await other.generations.cancel(waiting)
        assert ended_as(await other.answer(waiting), MESSAGE_STATUS_CANCELLED, "")
        one.model.say("a")
        one.model.finish()
        assert ended_as(await installation.ended(running), MESSAGE_STATUS_COMPLETE, "a")

    async def test_an_interruption_from_another_replica_is_answered_there(self, installation: Installation) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        interrupted = await one.ask()
        one.model.say("a")
        await installation.stored(interrupted, "a")
        urgent = await other.ask(busy_policy=BUSY_POLICY_INTERRUPT)
        other.model.say("now")
        other.model.finish()
        assert ended_as(await installation.ended(interrupted), MESSAGE_STATUS_CANCELLED, "a")
        assert ended_as(await installation.ended(urgent), MESSAGE_STATUS_COMPLETE, ["now"])


class TestSealing:
    async def test_what_a_dead_process_was_writing(self, installation: Installation) -> None:
        """Within the time of its lease; its text stays, and the next turn is taken."""
        one, other = installation.replica("one"), installation.replica("other")
        message_id, waiting = await one.ask(), await one.ask()
        one.model.say("a", "b")
        await installation.stored(message_id, "ab")
        viewer = other.follow(message_id, until=2)
        await viewer
        viewer = other.follow(message_id, viewer.result())
        await one.dies()
        installation.clock.now += LEASE
        assert (await viewer).tokens == ["a", "b"]
        assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_FAILED, "ab", "INTERRUPTED")
        other.model.say("next")
        other.model.finish()
        assert ended_as(await installation.ended(waiting), MESSAGE_STATUS_COMPLETE, ["next"])

    async def test_not_before_its_lease_has_run_out(self, installation: Installation) -> None:
        one, two, other = (installation.replica(name) for name in ("one", "two", "other"))
        message_id = await one.ask()
        await one.dies()
        installation.clock.now += LEASE - 1
        left_later = await two.ask("thread_2")
        await two.dies()
        installation.clock.now += 1
        await installation.ended(message_id)
        assert (await other.answer(left_later)).status == MESSAGE_STATUS_GENERATING

    async def test_by_one_of_several(self, installation: Installation, caplog: pytest.LogCaptureFixture) -> None:
        one, *_ = (installation.replica(name) for name in ("one", "two", "three", "four"))
        message_ids = [await one.ask(f"thread_{number}") for number in range(60)]
        await one.dies()
        installation.clock.now += LEASE
        for message_id in message_ids:
            assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_FAILED, "", "INTERRUPTED")
        assert await ends_told(installation) == len(message_ids)
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    async def test_a_process_that_dies_between_fence_and_end_is_followed_by_another(
        self, installation: Installation
    ) -> None:
        """The writer, who has nothing to say just now, does not go on either."""
        one = installation.replica("one")
        dying = installation.replica("dying", failpoints="after_fence_before_end=error")
        message_id = await one.ask()
        one.model.say("a")
        await installation.stored(message_id, "a")
        with pytest.raises(Unavailable):
            await dying.generations.cancel(message_id)
        await dying.dies()
        await eventually(lambda: _runs(one, message_id), lambda runs: not runs)
        assert (await one.answer(message_id)).status == MESSAGE_STATUS_GENERATING
        installation.clock.now += LEASE
        assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_FAILED, "a", "INTERRUPTED")

    async def test_not_of_a_writer_that_is_back_at_the_last_moment(self, installation: Installation) -> None:
        one = installation.replica("one")
        message_id = await one.ask()
        tried = asyncio.Event()

        async def come_back(chunks: list[Chunk]) -> None:
            if not tried.is_set():
                one.model.say("a")
                await installation.stored(message_id, "a")
                tried.set()

        installation.replica("other", store=HeldStore(installation.store, come_back))  # type: ignore[arg-type]
        one.freezes()
        installation.clock.now += LEASE
        await tried.wait()
        one.model.say("b")
        await installation.stored(message_id, "ab")
        one.model.finish()
        assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_COMPLETE, "ab")

    async def test_a_writer_that_wakes_after_days_writes_nothing(self, installation: Installation) -> None:
        """No fence is there any more: its own clock tells it."""
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        one.freezes()
        installation.clock.now += LEASE
        await installation.ended(message_id)
        installation.clock.now += DAY
        await eventually(installation.leftovers, lambda left: left == 0)
        one.model.say("a")
        await eventually(lambda: _runs(one, message_id), lambda runs: not runs)
        assert await installation.leftovers() == 0
        assert ended_as(await other.answer(message_id), MESSAGE_STATUS_FAILED, "", "INTERRUPTED")

    async def test_a_writer_that_was_away_goes_on_if_nobody_was_faster(self, installation: Installation) -> None:
        one = installation.replica("one")
        message_id = await one.ask()
        one.freezes()
        installation.clock.now += 1000 * LEASE
        one.model.say("a")
        await installation.stored(message_id, "a")
        one.model.finish()
        assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_COMPLETE, "a")


@pytest.mark.parametrize("failpoint", ["after_chunk_before_delivery", "before_end_of_answer"])
async def test_a_process_that_dies_there_leaves_what_it_stored(installation: Installation, failpoint: str) -> None:
    one, other = installation.replica("one", failpoints=f"{failpoint}=error"), installation.replica("other")
    message_id = await one.ask()
    one.model.say("a")
    await installation.stored(message_id, "a")
    one.model.finish()
    await eventually(lambda: _runs(one, message_id), lambda runs: not runs)
    viewer = other.follow(message_id)
    installation.clock.now += LEASE
    assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_FAILED, "a", "INTERRUPTED")
    assert (await viewer).tokens == ["a"]


class TestStopping:
    async def test_what_ends_within_the_grace_ends_by_itself(self, installation: Installation) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        viewer = one.follow(message_id)
        one.model.say("a")
        await installation.stored(message_id, "a")
        stopping = asyncio.create_task(one.stops())
        with pytest.raises(Unavailable) as refusal:
            await viewer
        assert refusal.value.reason == "STOPPING"
        moved = other.follow(message_id)
        installation.clock.now += 1
        await eventually(lambda: _lease_left(installation), lambda left: left == LEASE)
        one.model.say("b")
        one.model.finish()
        await stopping
        assert (await moved).tokens == ["a", "b"]
        assert ended_as(await installation.ended(message_id), MESSAGE_STATUS_COMPLETE, "ab")

    async def test_what_does_not_is_sealed(self, installation: Installation) -> None:
        one = installation.replica("one", stop_grace=0.05)
        message_id = await one.ask()
        one.model.say("a")
        await installation.stored(message_id, "a")
        await one.stops()
        assert ended_as(await one.answer(message_id), MESSAGE_STATUS_FAILED, "a", "INTERRUPTED")
        assert await installation.leftovers() == 0

    async def test_the_next_turn_is_taken_elsewhere(self, installation: Installation) -> None:
        one = installation.replica("one")
        running, waiting = await one.ask(), await one.ask()
        one.model.finish()
        await one.stops()
        assert (await installation.ended(running)).status == MESSAGE_STATUS_COMPLETE
        assert (await one.answer(waiting)).status == MESSAGE_STATUS_PENDING
        others = [installation.replica(name) for name in ("two", "three")]
        for other in others:
            other.model.say("from another")
            other.model.finish()
        assert ended_as(await installation.ended(waiting), MESSAGE_STATUS_COMPLETE, ["from another"])
        assert await installation.leftovers() == 0

    async def test_nothing_is_sent_to_it_any_more(self, installation: Installation) -> None:
        one = installation.replica("one")
        await one.stops()
        with pytest.raises(Unavailable) as refusal:
            await one.ask()
        assert refusal.value.reason == "STOPPING"


async def _lease_left(installation: Installation) -> int:
    [lease] = await installation.leases()
    return milliseconds(lease.expires_at) - installation.clock.now


async def _runs(replica: Replica, message_id: str) -> bool:
    return replica.generations.runs(message_id)


async def ends_told(installation: Installation) -> int:
    """Of how many answers the thread is to hear."""
    events = await installation.documents.query(Query.by_id(OUTBOX))
    return len([event for event in events if event.type == "generation.finished"])
