"""A server that is killed while it streams: what was seen is stored, and nothing is left half-said."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest
from google.protobuf.message import Message
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED

from libs.common.documents.system import LEASES
from services.messages.collections import CHUNKS
from tests.faults.calls import DEADLINE, all_ended, asking, messages_of, new_thread, unless_killed, words
from tests.faults.conftest import ENGINES
from tests.faults.recounting import equals_a_recount
from tests.faults.server import Server
from tests.faults.stored import documents
from tests.integration.calling import eventually
from tests.integration.conftest import Person
from tests.integration.watching import Seen, tokens_of, watch


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
async def test_no_token_that_was_seen_is_lost(server: Server, rounds: range, dice: random.Random) -> None:
    user_id = None
    for _ in rounds:
        async with server.visit(user_id) as anna:
            user_id = anna.user_id
            threads = [await new_thread(anna) for _ in range(4)]
            # The first of each runs, the others wait for it. 80 to 400 words take 0.2 to 1 seconds.
            asked = [(thread_id, words(dice.randint(80, 400))) for thread_id in threads]
            asked += [(thread_id, words(dice.randint(1, 40))) for thread_id in threads[:2] for _ in range(2)]
            seen = [Seen() for _ in asked]
            viewers = [
                asyncio.create_task(unless_killed(watch(anna.messages.SendMessage(asking(*question)), one)))
                for question, one in zip(asked, seen, strict=True)
            ]
            await asyncio.sleep(dice.uniform(0, 1.1))
            await server.kill()
            await asyncio.gather(*viewers)
        await server.start()
        async with server.visit(user_id) as anna:
            for (_, text), one in zip(asked, seen, strict=True):
                if one.message_id:
                    await goes_on_after(anna, one, text)
            for thread_id in threads:
                await eventually(partial(messages_of, anna, thread_id), all_ended, within=DEADLINE)
                # Its turn is free again.
                again = await watch(anna.messages.SendMessage(asking(thread_id, "still there?")))
                assert again.text == "still there?"
        await eventually(lambda: leftovers(server), lambda left: not left, within=DEADLINE)
    await equals_a_recount(server)
    await server.stop()
    assert not await leftovers(server)


async def goes_on_after(person: Person, seen: Seen, question: str) -> None:
    """Resuming gives exactly the stored rest, and what is stored begins with all that was seen."""
    before = Seen(seen.message_id, list(seen.tokens), ended=seen.ended)
    async with asyncio.timeout(DEADLINE):
        await watch(person.messages.StreamTokens(seen.rest()), seen)
    message = next(one for one in await messages_of(person, thread_of(seen)) if one.id == seen.message_id)
    assert tokens_of(message) == seen.tokens
    assert seen.tokens[: before.seq] == before.tokens
    assert question.startswith(message.tokens.text)
    if before.ended is not None:
        assert seen.ended == before.ended, "what has ended does not change"
    if message.status == MESSAGE_STATUS_COMPLETE:
        assert message.tokens.text == question
    else:
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")


def thread_of(seen: Seen) -> str:
    assert seen.started is not None
    return seen.started.thread_id


async def leftovers(server: Server) -> list[Message]:
    """Chunks and leases, which only answers have that are being generated; a fence is either, with nothing in it."""
    chunks = await documents(server.store_url, "messages", CHUNKS)
    leases = await documents(server.store_url, "messages", LEASES)
    return [*(chunk for chunk in chunks if not chunk.is_fence), *(lease for lease in leases if lease.holder)]
