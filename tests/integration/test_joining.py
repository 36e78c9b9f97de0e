"""Joining answers while they run. Their model says the last of it only when it is told to: until then they run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_GENERATING
from llmchat.messages.v1.messages_service_pb2 import (
    GetMessageRequest,
    SendMessageRequest,
    StreamEvent,
    StreamTokensRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

SAID = [f"token {number} 👩\u200d🚀" for number in range(80)]
TO_COME = [f"later {number} שלום" for number in range(30)]


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


async def send(person: Person) -> AsyncIterable[StreamEvent]:
    thread = await person.threads.CreateThread(CreateThreadRequest(title="t"))
    return person.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="gpt-4.1", content="?"))


async def test_after_every_token_of_a_running_answer(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(SAID, held=TO_COME))
    stream = await send(anna)
    first = await watch(stream, until=len(SAID))
    assert first.tokens == SAID

    with refused(StatusCode.OUT_OF_RANGE):
        await watch(anna.messages.StreamTokens(StreamTokensRequest(message_id=first.message_id, after_seq=81)))

    joined = [Seen(first.message_id, SAID[:seq]) for seq in range(len(SAID) + 1)]
    streams = [anna.messages.StreamTokens(seen.rest()) for seen in joined]
    await asyncio.gather(*(watch(*one, until=len(SAID)) for one in zip(streams, joined, strict=True)))
    assert all(seen.started and seen.started.status == MESSAGE_STATUS_GENERATING for seen in joined)
    assert all(seen.tokens == SAID and seen.ended is None for seen in joined)

    openai.released.set()
    await asyncio.gather(watch(stream, first), *(watch(*one) for one in zip(streams, joined, strict=True)))
    message = await anna.messages.GetMessage(GetMessageRequest(id=first.message_id))
    assert message.status == MESSAGE_STATUS_COMPLETE
    assert tokens_of(message) == first.tokens == SAID + TO_COME
    assert all(seen.tokens == first.tokens and seen.ended == first.ended for seen in joined)


async def test_fifty_clients_that_drop_and_resume_five_times(house: House, openai: StandInOpenAI) -> None:
    dice = random.Random(50)  # noqa: S311 # where to drop, and how the answers come
    replies = []
    for number in range(50):
        tokens = [f"{number}.{place} נ🏽 " for place in range(300)]
        cuts = [dice.randint(200, 2000) for _ in range(20)]
        replies.append(Reply(tokens[:250], held=tokens[250:], cuts=cuts))
    openai.replies.extend(replies)
    back = asyncio.Semaphore(0)

    async def drop_and_resume() -> str:
        drops = sorted(dice.sample(range(1, 250), 5))
        async with house.visit() as person:
            seen = await watch(await send(person), until=drops[0])
        for drop in drops[1:]:
            # The connection goes, or first the one call.
            async with house.visit(person.user_id) as person:
                stream = person.messages.StreamTokens(seen.rest())
                await watch(stream, seen, until=drop)
                if drop % 2:
                    stream.cancel()
            assert seen.started is not None
            assert seen.started.status == MESSAGE_STATUS_GENERATING
        async with house.visit(person.user_id) as person:
            rest = person.messages.StreamTokens(seen.rest())
            await watch(rest, seen, until=0)
            assert seen.started is not None
            assert seen.started.status == MESSAGE_STATUS_GENERATING
            back.release()
            await watch(rest, seen)
            message = await person.messages.GetMessage(GetMessageRequest(id=seen.message_id))
        assert message.status == MESSAGE_STATUS_COMPLETE
        assert tokens_of(message) == seen.tokens
        return seen.text

    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(drop_and_resume()) for _ in replies]
        for _ in clients:
            await back.acquire()
        openai.released.set()
    assert sorted(client.result() for client in clients) == sorted(reply.text for reply in replies)
