"""Two replicas on the same documents with a real Redis between them: an answer is followed and cancelled on either."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_GENERATING,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    CancelGenerationRequest,
    GetMessageRequest,
    SendMessageRequest,
    StreamEvent,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest

from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, connected, open_house
from tests.integration.tables import tables
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

SAID = [f"token {number} 👩\u200d🚀" for number in range(60)]
TO_COME = [f"later {number} שלום" for number in range(60)]


@dataclass(frozen=True)
class Anna:
    """One person, with a connection to each replica."""

    here: Person
    there: Person

    @property
    def both(self) -> tuple[Person, Person]:
        return self.here, self.there


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@dataclass
class Houses:
    """Two processes' worth of services: `one` can be stopped before the end."""

    one: House
    other: House
    stack: AsyncExitStack

    async def stop_one(self) -> None:
        await self.stack.aclose()


@pytest.fixture
async def houses(
    openai: StandInOpenAI, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Houses]:
    """Replicas that give answers time enough to end at a stop."""
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    # Whatever happens in time does not happen because somebody looked.
    monkeypatch.setenv("LLMCHAT_WATCHDOG", "600")
    monkeypatch.setenv("LLMCHAT_LEASE_SECONDS", "600")
    folder = tmp_path / "data"
    async with open_house(folder, bus_url=redis_url, stop_grace=60) as other, AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_house(folder, bus_url=redis_url, stop_grace=60))
        yield Houses(one, other, stack)
        # Nothing is left to wait for.
        openai.released.set()


@pytest.fixture
async def anna(houses: Houses) -> AsyncIterator[Anna]:
    # Not of the house's own making, so that it is not the connection that ends first at a stop.
    async with connected(houses.one.address, houses.one.process.tokens) as here:
        yield Anna(here, await houses.other.person(here.user_id))


async def send(person: Person, **fields: object) -> aio.UnaryStreamCall[SendMessageRequest, StreamEvent]:
    if "thread_id" not in fields:
        fields["thread_id"] = (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id
    return person.messages.SendMessage(SendMessageRequest(model_id="gpt-4.1", content="?", **fields))  # type: ignore[arg-type]


async def stored(person: Person, message_id: str) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=message_id))


async def test_each_sees_each_token_once_while_it_is_written(anna: Anna, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(SAID, held=TO_COME))
    stream = await send(anna.here)
    first = await watch(stream, until=len(SAID))

    joined = [Seen(first.message_id, SAID[:seq]) for seq in range(len(SAID) + 1)]
    streams = [anna.both[seen.seq % 2].messages.StreamTokens(seen.rest()) for seen in joined]
    await asyncio.gather(*(watch(*one, until=len(SAID)) for one in zip(streams, joined, strict=True)))
    assert all(seen.started and seen.started.status == MESSAGE_STATUS_GENERATING for seen in joined)
    assert all(seen.tokens == SAID and seen.ended is None for seen in joined)

    openai.released.set()
    await asyncio.gather(watch(stream, first), *(watch(*one) for one in zip(streams, joined, strict=True)))
    assert all(seen.tokens == SAID + TO_COME and seen.ended == first.ended for seen in joined)
    for seq in range(0, len(first.tokens) + 1, 7):
        ended = Seen(first.message_id, first.tokens[:seq])
        await watch(anna.there.messages.StreamTokens(ended.rest()), ended)
        assert ended.tokens == first.tokens == tokens_of(await stored(anna.here, first.message_id))


async def test_beyond_the_last_token_of_what_the_other_writes(anna: Anna, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(SAID, held=TO_COME))
    seen = await watch(await send(anna.here), until=len(SAID))
    beyond = Seen(seen.message_id, [*SAID, "never said"])
    with refused(StatusCode.OUT_OF_RANGE):
        await watch(anna.there.messages.StreamTokens(beyond.rest()))


async def test_viewers_that_change_replicas_at_every_drop(houses: Houses, anna: Anna, openai: StandInOpenAI) -> None:
    dice = random.Random(8)  # noqa: S311 # where to drop
    replies = [Reply([f"{number}.{place} " for place in range(200)]) for number in range(10)]
    openai.replies.extend(replies)

    async def move_about(number: int) -> str:
        drops = sorted(dice.sample(range(1, 200), 8))
        seen = await watch(await send(anna.both[number % 2]), until=drops[0])
        for turn, drop in enumerate(drops[1:], start=number + 1):
            async with (houses.one, houses.other)[turn % 2].visit(anna.here.user_id) as visitor:
                await watch(visitor.messages.StreamTokens(seen.rest()), seen, until=drop)
        await watch(anna.both[number % 2].messages.StreamTokens(seen.rest()), seen)
        assert seen.tokens == tokens_of(await stored(anna.there, seen.message_id))
        return seen.text

    texts = await asyncio.gather(*(move_about(number) for number in range(len(replies))))
    assert sorted(texts) == sorted(reply.text for reply in replies)


async def test_cancelled_from_the_other(anna: Anna, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(SAID, held=TO_COME))
    stream = await send(anna.here)
    first = await watch(stream, until=len(SAID))
    second = Seen(first.message_id)
    follower = anna.there.messages.StreamTokens(second.rest())
    await watch(follower, second, until=len(SAID))

    ended = await anna.there.messages.CancelGeneration(CancelGenerationRequest(message_id=first.message_id))

    assert ended.status == MESSAGE_STATUS_CANCELLED
    assert tokens_of(ended) == SAID
    openai.released.set()
    await asyncio.gather(watch(stream, first), watch(follower, second))
    assert first.tokens == second.tokens == SAID
    assert await stored(anna.here, first.message_id) == ended


async def test_interrupted_and_queued_from_the_other(anna: Anna, openai: StandInOpenAI) -> None:
    openai.replies += [Reply(SAID, held=TO_COME), Reply(["urgent"]), Reply(["patient"])]
    thread_id = (await anna.here.threads.CreateThread(CreateThreadRequest(title="t"))).id
    stream = await send(anna.here, thread_id=thread_id)
    first = await watch(stream, until=len(SAID))
    patient = aiter(await send(anna.there, thread_id=thread_id, busy_policy=BUSY_POLICY_ENQUEUE))
    waiting = Seen()
    waiting.take(await anext(patient))
    urgent = await watch(await send(anna.there, thread_id=thread_id, busy_policy=BUSY_POLICY_INTERRUPT))
    await asyncio.gather(watch(stream, first), watch(patient, waiting))
    assert (first.tokens, urgent.tokens, waiting.tokens) == (SAID, ["urgent"], ["patient"])
    assert first.ended is not None
    assert first.ended.status == MESSAGE_STATUS_CANCELLED


async def test_a_repeated_send_attaches_on_either(anna: Anna, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(SAID, held=TO_COME))
    thread_id = (await anna.here.threads.CreateThread(CreateThreadRequest(title="t"))).id
    stream = await send(anna.here, thread_id=thread_id, request_id="r")
    first = await watch(stream, until=1)
    repeated = await send(anna.there, thread_id=thread_id, request_id="r")
    second = await watch(repeated, until=len(SAID))
    openai.released.set()
    await asyncio.gather(watch(stream, first), watch(repeated, second))
    assert first.message_id == second.message_id
    assert first.tokens == second.tokens == SAID + TO_COME


async def test_a_thread_that_is_deleted_from_the_other(anna: Anna, openai: StandInOpenAI, tmp_path: Path) -> None:
    """Nothing is left but the fence, which keeps the writer from writing more."""
    openai.replies.append(Reply(SAID, held=TO_COME))
    stream = await send(anna.here)
    seen = await watch(stream, until=len(SAID))
    assert seen.started is not None
    await anna.there.threads.DeleteThread(DeleteThreadRequest(id=seen.started.thread_id))

    async def messages() -> dict[str, int]:
        return tables(tmp_path / "data", "messages")["messages"]

    await eventually(messages, lambda left: not left)
    openai.released.set()
    try:
        await watch(stream, seen)
    except aio.AioRpcError as error:
        assert error.code() is StatusCode.NOT_FOUND  # noqa: PT017 # it may also have ended first
    assert seen.tokens == SAID
    assert len(tables(tmp_path / "data", "messages")["message_chunks"]) <= 1


async def test_a_rolling_restart_loses_and_doubles_nothing(houses: Houses, anna: Anna, openai: StandInOpenAI) -> None:
    """What is written goes on to its end; viewers move; what waits and what is sent begins on the one that stays."""
    openai.replies += [Reply(SAID, held=TO_COME), Reply(["waited"]), Reply(["sent meanwhile"])]
    thread_id = (await anna.here.threads.CreateThread(CreateThreadRequest(title="t"))).id
    stream = await send(anna.here, thread_id=thread_id)
    seen = await watch(stream, until=len(SAID))
    waiting = await watch(await send(anna.here, thread_id=thread_id, busy_policy=BUSY_POLICY_ENQUEUE), until=0)

    stopping = asyncio.create_task(houses.stop_one())
    with refused(StatusCode.UNAVAILABLE) as refusal:
        await watch(stream, seen)
    assert refusal.error.reason == "STOPPING"
    moved = anna.there.messages.StreamTokens(seen.rest())
    await watch(moved, seen, until=0)
    assert not stopping.done()
    openai.released.set()
    await watch(moved, seen)
    await stopping

    assert seen.tokens == SAID + TO_COME
    assert seen.ended is not None
    assert seen.ended.status == MESSAGE_STATUS_COMPLETE
    assert (await watch(anna.there.messages.StreamTokens(waiting.rest()), waiting)).text == "waited"
    assert (await watch(await send(anna.there, thread_id=thread_id))).text == "sent meanwhile"
