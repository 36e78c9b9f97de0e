"""Sending a message: repeated, queued, interrupting, and as long as it may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_PENDING,
    ROLE_ASSISTANT,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    BUSY_POLICY_REJECT,
    CancelGenerationRequest,
    GetMessageRequest,
    ListMessagesRequest,
    SendMessageRequest,
    StreamEvent,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.errors import Precondition
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

# At 200 words a second: long enough to be met while it runs, short enough to wait for.
LONG = " ".join(f"word{number}" for number in range(100))
# Not over before it is cancelled, however busy the machine.
ENDLESS = " ".join(f"word{number}" for number in range(8000))


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An echo model of 200 words a second, and GPT models behind a stand-in."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "200")
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def thread_id(anna: Person) -> str:
    return (await anna.threads.CreateThread(CreateThreadRequest(title="t"))).id


def asking(thread_id: str, content: str, **fields: Any) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, content=content, **{"model_id": "echo", **fields})


async def send(person: Person, request: SendMessageRequest) -> tuple[AsyncIterator[StreamEvent], Seen]:
    """The stream once it has begun, and what was seen of it: that the answer is there."""
    stream = aiter(person.messages.SendMessage(request))
    seen = Seen()
    seen.take(await anext(stream))
    return stream, seen


async def messages_of(person: Person, thread_id: str) -> list[Message]:
    page = await person.messages.ListMessages(
        ListMessagesRequest(thread_id=thread_id, oldest_first=True, page_size=100)
    )
    return list(page.messages)


class TestRequestIds:
    async def test_a_repeat_attaches_to_the_first_ones_stream(self, anna: Person, thread_id: str) -> None:
        request = asking(thread_id, LONG, request_id="r")
        stream, first = await send(anna, request)
        running = await watch(anna.messages.SendMessage(request))
        await watch(stream, first)
        finished = await watch(anna.messages.SendMessage(request))
        assert first.message_id == running.message_id == finished.message_id
        assert first.tokens == running.tokens == finished.tokens
        assert first.text == LONG
        assert [message.content for message in await messages_of(anna, thread_id)] == [LONG, ""]

    async def test_repeats_at_the_same_time_are_one(self, anna: Person, thread_id: str) -> None:
        request = asking(thread_id, "one two three", request_id="r")
        viewers = await asyncio.gather(*(watch(anna.messages.SendMessage(request)) for _ in range(10)))
        assert len({seen.message_id for seen in viewers}) == 1
        assert all(seen.text == "one two three" for seen in viewers)
        assert len(await messages_of(anna, thread_id)) == 2

    @pytest.mark.parametrize("change", [{"content": "other"}, {"temperature": 0.5}, {"system_prompt": "Be brief."}])
    async def test_another_body_is_refused(self, anna: Person, thread_id: str, change: dict[str, Any]) -> None:
        request = asking(thread_id, "one", request_id="r")
        await watch(anna.messages.SendMessage(request))
        before = await messages_of(anna, thread_id)
        request.MergeFrom(SendMessageRequest(**change))
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await watch(anna.messages.SendMessage(request))
        assert refusal.error.reason == "REQUEST_ID_REUSED"
        assert await messages_of(anna, thread_id) == before

    async def test_a_refused_send_can_be_repeated(self, anna: Person, thread_id: str) -> None:
        _, seen = await send(anna, asking(thread_id, LONG))
        request = asking(thread_id, "next", request_id="r")
        with refused(StatusCode.FAILED_PRECONDITION):
            await watch(anna.messages.SendMessage(request))
        await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))
        assert (await watch(anna.messages.SendMessage(request))).text == "next"


class TestBusy:
    @pytest.mark.parametrize("policy", [{}, {"busy_policy": BUSY_POLICY_REJECT}])
    async def test_reject(self, anna: Person, thread_id: str, policy: dict[str, Any]) -> None:
        stream, seen = await send(anna, asking(thread_id, LONG))
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await watch(anna.messages.SendMessage(asking(thread_id, "impatient", **policy)))
        assert isinstance(refusal.error, Precondition)
        assert refusal.error.reason == "THREAD_BUSY"
        assert refusal.error.metadata["message_id"] == seen.message_id
        assert len(await messages_of(anna, thread_id)) == 2
        await watch(stream, seen)
        assert seen.text == LONG, "what runs is not disturbed"
        assert (await watch(anna.messages.SendMessage(asking(thread_id, "patient")))).text == "patient"

    async def test_enqueue(self, anna: Person, thread_id: str) -> None:
        """Several wait; each begins when the one before has ended."""
        stream, first = await send(anna, asking(thread_id, LONG))
        waiting = []
        for number in range(4):
            waiting.append(await send(anna, asking(thread_id, f"question {number}", busy_policy=BUSY_POLICY_ENQUEUE)))
            assert waiting[-1][1].started is not None
            assert waiting[-1][1].started.status == MESSAGE_STATUS_PENDING
        await asyncio.gather(watch(stream, first), *(watch(*one) for one in waiting))

        assert first.text == LONG
        assert [seen.text for _, seen in waiting] == [f"question {number}" for number in range(4)]
        answers = [message for message in await messages_of(anna, thread_id) if message.role == ROLE_ASSISTANT]
        for before, after in pairwise(answers):
            assert after.generation_started_at.ToMilliseconds() >= before.generation_completed_at.ToMilliseconds()

    async def test_one_that_waits_can_be_cancelled(self, anna: Person, thread_id: str) -> None:
        stream, first = await send(anna, asking(thread_id, LONG))
        second = await send(anna, asking(thread_id, "second", busy_policy=BUSY_POLICY_ENQUEUE))
        third = await send(anna, asking(thread_id, "third", busy_policy=BUSY_POLICY_ENQUEUE))
        cancelled = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=second[1].message_id))
        assert cancelled.status == MESSAGE_STATUS_CANCELLED
        await asyncio.gather(watch(stream, first), watch(*second), watch(*third))
        assert (first.text, second[1].text, third[1].text) == (LONG, "", "third")

    async def test_the_queue_is_bounded(self, anna: Person, thread_id: str) -> None:
        await send(anna, asking(thread_id, ENDLESS))
        for number in range(20):
            await send(anna, asking(thread_id, f"{number}", busy_policy=BUSY_POLICY_ENQUEUE))
        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            await send(anna, asking(thread_id, "one more", busy_policy=BUSY_POLICY_ENQUEUE))
        assert refusal.error.reason == "QUEUE_FULL"
        assert len(await messages_of(anna, thread_id)) == 42

    async def test_interrupt(self, anna: Person, thread_id: str) -> None:
        """What runs keeps what it has said; the new one goes before those that wait."""
        stream, first = await send(anna, asking(thread_id, LONG))
        await watch(stream, first, until=10)
        queued = await send(anna, asking(thread_id, "queued", busy_policy=BUSY_POLICY_ENQUEUE))
        urgent = await send(anna, asking(thread_id, "urgent", busy_policy=BUSY_POLICY_INTERRUPT))
        await asyncio.gather(watch(stream, first), watch(*queued), watch(*urgent))

        assert (queued[1].text, urgent[1].text) == ("queued", "urgent")
        stored = {message.id: message for message in await messages_of(anna, thread_id)}
        interrupted = stored[first.message_id]
        assert interrupted.status == MESSAGE_STATUS_CANCELLED
        assert tokens_of(interrupted) == first.tokens
        assert 10 <= first.seq < 100
        began = [stored[seen.message_id].generation_started_at.ToMilliseconds() for _, seen in (urgent, queued)]
        assert began == sorted(began)

    async def test_different_models_answer_at_the_same_time(
        self, anna: Person, thread_id: str, openai: StandInOpenAI
    ) -> None:
        openai.replies += [Reply(["An answer."]), Reply(["Another."])]
        stream, echo = await send(anna, asking(thread_id, ENDLESS))
        others = [asking(thread_id, "and you?", model_id=model_id) for model_id in ("gpt-4.1", "gpt-5")]
        seen = await asyncio.gather(*(watch(anna.messages.SendMessage(request)) for request in others))
        assert sorted(one.text for one in seen) == ["An answer.", "Another."]
        running = await anna.messages.GetMessage(GetMessageRequest(id=echo.message_id))
        assert running.is_streaming, "the others did not wait for it"
        await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=echo.message_id))
        await watch(stream, echo)

        of_one_model = ListMessagesRequest(thread_id=thread_id, model_id="gpt-5", count_total=True)
        page = await anna.messages.ListMessages(of_one_model)
        assert (page.total_size, {message.model_id for message in page.messages}) == (2, {"gpt-5"})


class TestLimits:
    async def test_the_longest_message_of_the_widest_characters(self, anna: Person) -> None:
        """400 KB each; lists of them come in pages that gRPC lets through."""
        thread_id = (await anna.threads.CreateThread(CreateThreadRequest(title="t"))).id
        content = "𝕏" * 100_000
        for _ in range(6):
            request = asking(thread_id, content, busy_policy=BUSY_POLICY_ENQUEUE)
            _, seen = await send(anna, request)
            await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))

        listing = ListMessagesRequest(thread_id=thread_id, page_size=100, oldest_first=True)
        contents: list[str] = []
        pages = 0
        while pages == 0 or listing.page_token:
            page = await anna.messages.ListMessages(listing)
            assert page.ByteSize() < 4 * 2**20
            contents += [message.content for message in page.messages if message.role != ROLE_ASSISTANT]
            listing.page_token = page.next_page_token
            pages += 1
        assert contents == [content] * 6

    async def test_an_answer_as_long(self, house: House, anna: Person, openai: StandInOpenAI, thread_id: str) -> None:
        text = "𝕏" * 100_000
        openai.replies.append(Reply([text[at : at + 50] for at in range(0, len(text), 50)]))
        seen = await watch(anna.messages.SendMessage(asking(thread_id, "go", model_id="gpt-4.1")))
        assert seen.text == text
        stored = await anna.messages.GetMessage(GetMessageRequest(id=seen.message_id))
        assert (stored.status, stored.tokens.text) == (MESSAGE_STATUS_COMPLETE, text)
