"""Two processes on the same documents, with Redis between them: one is killed or frozen while it writes answers."""

from __future__ import annotations

import asyncio
import fcntl
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_CANCELLED, MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest

from tests.faults.calls import DEADLINE, all_ended, asking, messages_of, new_thread, unless_killed, words
from tests.faults.server import Server
from tests.faults.test_killed_streams import goes_on_after
from tests.integration.calling import eventually
from tests.integration.conftest import Person
from tests.integration.watching import Seen, tokens_of, watch

LEASE_SECONDS = 1.0

# Makes a replica; its settings are without their prefix.
Replicate = Callable[..., Server]


@pytest.fixture
async def replicate(tmp_path: Path, redis_url: str) -> AsyncIterator[Replicate]:
    """Each stores the tokens of its answers one by one as far as the disk can."""
    servers: list[Server] = []

    def make(**settings: str) -> Server:
        common = {
            "BUS_URL": redis_url,
            "ECHO_TOKENS_PER_SECOND": "400",
            "CHUNK_LINGER": "0",
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "REDELIVERY_INTERVAL": "0.2",
            "STOP_GRACE": "0.5",
        }
        servers.append(Server(tmp_path, common | settings))
        return servers[-1]

    try:
        yield make
    finally:
        for server in servers:
            await server.close()


@asynccontextmanager
async def both(one: Server, other: Server, user_id: str | None = None) -> AsyncIterator[tuple[Person, Person]]:
    """One person at both."""
    async with other.visit(user_id) as there, one.visit(there.user_id) as here:
        yield here, there


async def test_what_a_killed_process_was_writing_is_sealed_by_the_other(
    replicate: Replicate, rounds: range, dice: random.Random
) -> None:
    one, other = replicate(), replicate()
    await one.start()
    await other.start()
    user_id = None
    for _ in rounds:
        async with both(one, other, user_id) as (here, there):
            user_id = there.user_id
            asked = [(await new_thread(there), words(dice.randint(50, 200))) for _ in range(4)]
            # A second one waits in each thread, whose turn the other process is to begin.
            asked += [(thread_id, words(dice.randint(1, 40))) for thread_id, _ in asked]
            seen = [Seen() for _ in asked]
            senders = [
                asyncio.create_task(unless_killed(watch(here.messages.SendMessage(asking(*question)), one_seen)))
                for question, one_seen in zip(asked, seen, strict=True)
            ]
            await asyncio.sleep(dice.uniform(0, 0.6))
            joined = [Seen(one_seen.message_id) for one_seen in seen if one_seen.message_id]
            viewers = [
                asyncio.create_task(watch(there.messages.StreamTokens(one_seen.rest()), one_seen))
                for one_seen in joined
            ]
            await one.kill()
            restarting = asyncio.create_task(one.start())
            await asyncio.gather(*senders)
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*viewers)
            for (thread_id, text), one_seen in zip(asked, seen, strict=True):
                if one_seen.message_id:
                    await goes_on_after(there, one_seen, text)
                await eventually(partial(messages_of, there, thread_id), all_ended, within=DEADLINE)
            for one_seen in joined:
                [same] = [other_seen for other_seen in seen if other_seen.message_id == one_seen.message_id]
                assert one_seen.tokens == same.tokens
        await restarting


async def freeze_between_commits(server: Server, dice: random.Random) -> None:
    """A process that is frozen in the middle of a commit keeps the file to itself, as SQLite has it, until it wakes."""
    while True:
        server.freeze()
        with suppress(AssertionError):
            await eventually(partial(can_be_written, server.folder / "messages.db"), bool, within=0.5)
            return
        server.thaw()
        await asyncio.sleep(dice.uniform(0, 0.05))


async def can_be_written(path: Path) -> bool:
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection,
        suppress(sqlite3.Error, OSError),
    ):
        connection.execute("BEGIN IMMEDIATE")
        with path.with_name(f"{path.name}-turn").open() as turn:
            fcntl.flock(turn, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


async def test_a_frozen_process_that_wakes_announces_nothing_more(
    replicate: Replicate, rounds: range, dice: random.Random
) -> None:
    one, other = replicate(), replicate()
    await one.start()
    await other.start()
    async with both(one, other) as (here, there):
        for _ in rounds:
            asked = [(await new_thread(there), words(dice.randint(200, 400))) for _ in range(4)]
            streams = [here.messages.SendMessage(asking(*question)) for question in asked]
            seen = [await watch(stream, until=1) for stream in streams]
            viewers = [
                asyncio.create_task(watch(stream, one_seen)) for stream, one_seen in zip(streams, seen, strict=True)
            ]
            await asyncio.sleep(dice.uniform(0, 0.4))
            await freeze_between_commits(one, dice)
            for thread_id, _ in asked:
                await eventually(partial(messages_of, there, thread_id), all_ended, within=DEADLINE)
            sealed = {message.id: message for thread_id, _ in asked for message in await messages_of(there, thread_id)}
            one.thaw()
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*viewers)
            for one_seen in seen:
                assert one_seen.tokens == tokens_of(sealed[one_seen.message_id])
            assert sealed == {
                message.id: message for thread_id, _ in asked for message in await messages_of(here, thread_id)
            }
            # It writes again.
            assert (await watch(here.messages.SendMessage(asking(asked[0][0], "still there?")))).text == "still there?"


async def test_cancelled_from_the_other_however_fast_it_is_written(
    replicate: Replicate, rounds: range, dice: random.Random
) -> None:
    """As fast as the model can, each commit after the one before."""
    one, other = replicate(ECHO_TOKENS_PER_SECOND="0"), replicate()
    await one.start()
    await other.start()
    async with both(one, other) as (here, there):
        for _ in rounds:
            text = words(9_000)
            thread_ids = [await new_thread(there) for _ in range(4)]
            streams = [here.messages.SendMessage(asking(thread_id, text)) for thread_id in thread_ids]
            seen = [await watch(stream, until=0) for stream in streams]
            viewers = [
                asyncio.create_task(watch(stream, one_seen)) for stream, one_seen in zip(streams, seen, strict=True)
            ]
            await asyncio.sleep(dice.uniform(0, 0.2))
            ended = await asyncio.gather(
                *(
                    there.messages.CancelGeneration(CancelGenerationRequest(message_id=one_seen.message_id))
                    for one_seen in seen
                )
            )
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*viewers)
            for message, one_seen in zip(ended, seen, strict=True):
                assert message.status in (MESSAGE_STATUS_CANCELLED, MESSAGE_STATUS_COMPLETE)
                assert one_seen.tokens == tokens_of(message)
                assert text.startswith(message.tokens.text)


async def test_without_redis_each_token_comes_all_the_same(replicate: Replicate) -> None:
    """By looking into the store now and then; and a cancel is not held up."""
    one, other = (replicate(BUS_URL="redis://127.0.0.1:1", WATCHDOG="0.1") for _ in range(2))
    await one.start()
    await other.start()
    async with both(one, other) as (here, there):
        streams = [here.messages.SendMessage(asking(await new_thread(there), words(200))) for _ in range(2)]
        seen = [await watch(stream, until=1) for stream in streams]
        joined = [Seen(one_seen.message_id) for one_seen in seen]
        viewers = [
            asyncio.create_task(watch(there.messages.StreamTokens(one_seen.rest()), one_seen)) for one_seen in joined
        ]
        cancel = CancelGenerationRequest(message_id=joined[1].message_id)
        ended = await there.messages.CancelGeneration(cancel)
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*viewers, *(watch(*one_seen) for one_seen in zip(streams, seen, strict=True)))
        assert joined[0].text == seen[0].text == words(200)
        assert joined[1].tokens == seen[1].tokens == tokens_of(ended)
        assert ended.status == MESSAGE_STATUS_CANCELLED


@pytest.mark.parametrize(
    "failpoint",
    ["after_chunk_before_delivery=kill@20", "after_chunk_before_delivery=kill", "before_end_of_answer=kill"],
)
async def test_a_writer_that_dies_at(replicate: Replicate, failpoint: str) -> None:
    one, other = replicate(FAILPOINTS=failpoint), replicate()
    await one.start()
    await other.start()
    async with both(one, other) as (here, there):
        thread_id, text = await new_thread(there), words(100)
        seen = Seen()
        assert not await unless_killed(watch(here.messages.SendMessage(asking(thread_id, text)), seen))
        await one.dies()
        before = seen.seq
        [_, answer] = await eventually(partial(messages_of, there, thread_id), all_ended, within=DEADLINE)
        assert (answer.status, answer.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
        seen.message_id = answer.id
        await watch(there.messages.StreamTokens(seen.rest()), seen)
        assert seen.tokens == tokens_of(answer)
        assert seen.seq > before or "end" in failpoint, "what was stored and not delivered is there"
        assert text.startswith(seen.text)


async def test_a_canceller_that_dies_at_the_fence(replicate: Replicate) -> None:
    """The answer goes on nowhere, and the process that wrote it ends it."""
    one, other = replicate(), replicate(FAILPOINTS="after_fence_before_end=kill")
    await one.start()
    await other.start()
    async with both(one, other) as (here, there):
        thread_id, text = await new_thread(there), words(400)
        stream = here.messages.SendMessage(asking(thread_id, text))
        seen = await watch(stream, until=10)
        cancel = CancelGenerationRequest(message_id=seen.message_id)
        assert not await unless_killed(there.messages.CancelGeneration(cancel))
        await other.dies()
        async with asyncio.timeout(DEADLINE):
            await watch(stream, seen)
        [_, answer] = await messages_of(here, thread_id)
        assert (answer.status, answer.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
        assert seen.tokens == tokens_of(answer)
        assert len(seen.tokens) < 400
