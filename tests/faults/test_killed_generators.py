"""Programs that write answers outside, and the servers they write to, are killed: no token that was seen is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from llmchat.catalog.v1.catalog_service_pb2 import UpsertModelRequest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, Message
from llmchat.messages.v1.messages_service_pb2 import GetMessageRequest
from llmchat.store.v1.lease_pb2 import Lease

from libs.client.generator import Generator
from libs.common.clock import wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from tests.faults.calls import DEADLINE, words
from tests.faults.generator import generating, said_of
from tests.faults.server import SECRET, Server
from tests.integration.calling import eventually
from tests.integration.conftest import Person, bearing
from tests.integration.outside import MODEL, ask, model
from tests.integration.tables import bodies, tables
from tests.integration.watching import Seen, tokens_of, watch

LEASE_SECONDS = 1.0
TOKENS = Tokens(KeyRing.parse(SECRET).derive("tokens"), wall_clock)
GENERATORS_TOKEN = TOKENS.issue_service("generator", "", False, 3600)[0]

# Makes a replica.
Replicate = Callable[[], Server]


@pytest.fixture
async def replicate(tmp_path: Path, redis_url: str) -> AsyncIterator[Replicate]:
    servers: list[Server] = []

    def make() -> Server:
        settings = {
            "BUS_URL": redis_url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "REDELIVERY_INTERVAL": "0.2",
            "STOP_GRACE": "0.5",
        }
        servers.append(Server(tmp_path, settings))
        return servers[-1]

    try:
        yield make
    finally:
        for server in servers:
            await server.close()


@pytest.fixture
async def two(replicate: Replicate) -> tuple[Server, Server]:
    """Two replicas, with a model whose answers are written outside."""
    one, other = replicate(), replicate()
    await one.start()
    await other.start()
    async with bearing(other.address, TOKENS.issue_user("operator", True)[0], "operator") as operator:
        await operator.catalog.UpsertModel(UpsertModelRequest(model=model()))
    return one, other


async def stored(person: Person, message_id: str) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=message_id))


async def nothing_is_left(server: Server) -> bool:
    leases = [Lease.FromString(body) for body in bodies(server.folder, "messages", "leases")]
    return not (tables(server.folder, "messages")["external_answers"] or any(lease.holder for lease in leases))


async def test_what_a_killed_generator_was_writing_is_sealed_with_all_that_was_seen(
    two: tuple[Server, Server], dice: random.Random
) -> None:
    one, other = two
    async with other.visit() as anna:
        async with generating(one.address, GENERATORS_TOKEN) as program:
            text = words(2000)
            stream = await ask(anna, text)
            seen = await watch(stream, until=dice.randint(1, 100))
            program.kill()
        await watch(stream, seen)

        answer = await stored(anna, seen.message_id)
        assert (answer.status, answer.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
        assert tokens_of(answer) == seen.tokens == said_of(text)[: seen.seq]


async def test_one_that_comes_back_under_its_name_goes_on_with_the_answer_it_knows(two: tuple[Server, Server]) -> None:
    one, other = two
    async with other.visit() as anna:
        async with generating(one.address, GENERATORS_TOKEN, claimant="back"):
            text = words(300)
            stream = await ask(anna, text)
            seen = await watch(stream, until=20)
        async with Generator(other.address, token=GENERATORS_TOKEN, claimant="back") as generator:
            answer = await generator.resume(MODEL, seen.message_id)
            assert answer.seq >= seen.seq
            await answer.append(*said_of(text)[answer.seq :])
            await answer.end()
        await watch(stream, seen)
        assert seen.tokens == said_of(text)


async def test_a_generator_goes_on_at_the_other_replica_when_its_own_is_killed(
    two: tuple[Server, Server], rounds: range, dice: random.Random
) -> None:
    one, other = two
    completed = 0
    for _ in rounds:
        both = f"{one.address},{other.address}"
        async with other.visit() as anna, generating(both, GENERATORS_TOKEN):
            texts = [words(dice.randint(100, 300)) for _ in range(4)]
            seen = [Seen() for _ in texts]
            streams = [await ask(anna, text) for text in texts]
            viewers = [asyncio.create_task(watch(stream, it)) for stream, it in zip(streams, seen, strict=True)]
            await asyncio.sleep(dice.uniform(0, 1.2))
            await one.kill()
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*viewers)
            for text, it in zip(texts, seen, strict=True):
                answer = await stored(anna, it.message_id)
                assert tokens_of(answer) == it.tokens == said_of(text)[: it.seq]
                if answer.status == MESSAGE_STATUS_COMPLETE:
                    assert it.seq == len(said_of(text))
                    completed += 1
                else:
                    # It took the generator longer than the lease to get there.
                    assert (answer.status, answer.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
            await eventually(partial(nothing_is_left, other), bool, within=DEADLINE)
        await one.start()
    assert completed


async def test_a_replica_that_wakes_after_its_answer_was_sealed_adds_nothing(two: tuple[Server, Server]) -> None:
    one, other = two
    async with other.visit() as anna, generating(one.address, GENERATORS_TOKEN):
        text = words(3000)
        stream = await ask(anna, text)
        seen = await watch(stream, until=20)
        one.freeze()
        async with asyncio.timeout(DEADLINE):
            await watch(stream, seen)
        one.thaw()

        assert seen.ended is not None
        assert (seen.ended.status, seen.ended.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
        # What it says later is refused: nothing comes behind the end.
        async with one.visit(anna.user_id) as there:
            again = Seen(seen.message_id)
            await watch(there.messages.StreamTokens(again.rest()), again)
        assert again.tokens == seen.tokens == said_of(text)[: seen.seq]
