"""A token that was seen is stored, and a stream goes on after any token: no gap, no duplicate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    CancelGenerationRequest,
    GetMessageRequest,
    ListMessagesRequest,
    SendMessageRequest,
    StreamTokensRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest

from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch

# Words in several scripts; each is a token.
WORDS = ("naïve", "你好", "👩\u200d🚀", "שלום", "e\u0301", "plain")


def text_of(words: int) -> str:
    """A question of that many tokens, no two neighbours alike."""
    return " ".join(f"{WORDS[number % len(WORDS)]}{number}" for number in range(words))


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """An echo model that takes a second for 200 tokens, in chunks that a slow reader's queue cannot hold."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "200")
    monkeypatch.setenv("LLMCHAT_FOLLOWER_QUEUE", "4")


@pytest.fixture
async def house(pace: None, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data") as house:
        yield house


def ask(thread_id: str, words: int) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, model_id="echo", content=text_of(words))


async def new_thread(person: Person) -> str:
    return (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id


async def stored(person: Person, message_id: str) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=message_id))


async def begin(person: Person, words: int, *, until: int = 1) -> Seen:
    """Sends a question and leaves once token `until` of the answer has been seen."""
    stream = person.messages.SendMessage(ask(await new_thread(person), words))
    seen = await watch(stream, until=until)
    stream.cancel()
    return seen


async def see_the_rest(person: Person, seen: Seen) -> Seen:
    return await watch(person.messages.StreamTokens(seen.rest()), seen)


class TestResuming:
    async def test_after_every_token_of_a_finished_answer(self, anna: Person) -> None:
        first = await see_the_rest(anna, await begin(anna, 60))
        assert len(first.tokens) == 60
        for seq in range(61):
            rest = await see_the_rest(anna, Seen(first.message_id, first.tokens[:seq]))
            assert rest.tokens == first.tokens
            assert rest.ended == first.ended == without_tokens(await stored(anna, first.message_id))

    async def test_beyond_the_last_token(self, anna: Person) -> None:
        seen = await begin(anna, 40)
        beyond = StreamTokensRequest(message_id=seen.message_id, after_seq=41)
        with refused(StatusCode.OUT_OF_RANGE) as refusal:
            await watch(anna.messages.StreamTokens(beyond))
        assert refusal.fields == {"after_seq"}
        await see_the_rest(anna, seen)
        with refused(StatusCode.OUT_OF_RANGE):
            await watch(anna.messages.StreamTokens(beyond))
        with refused(StatusCode.INVALID_ARGUMENT):
            await watch(anna.messages.StreamTokens(StreamTokensRequest(message_id=seen.message_id, after_seq=10_001)))


class TestViewers:
    async def test_two_see_the_same(self, anna: Person) -> None:
        stream = anna.messages.SendMessage(ask(await new_thread(anna), 100))
        first = await watch(stream, until=1)
        second = Seen(first.message_id)
        await asyncio.gather(watch(stream, first), see_the_rest(anna, second))
        assert first.text == second.text == text_of(100)
        assert first.ended == second.ended

    async def test_one_that_reads_nothing_until_the_end_gets_it_all(self, anna: Person) -> None:
        stream = anna.messages.SendMessage(ask(await new_thread(anna), 300))
        slow = await watch(stream, until=1)
        quick = await see_the_rest(anna, Seen(slow.message_id))
        assert slow.seq < 300
        await watch(stream, slow)
        assert slow.tokens == quick.tokens == tokens_of(await stored(anna, slow.message_id))

    async def test_one_further_behind_than_queue_and_connection_hold(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: None
    ) -> None:
        """Its live tokens are dropped, and it catches up from the store."""
        monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
        monkeypatch.setenv("LLMCHAT_CHUNK_LINGER", "0")
        content = "𝕏" * 100_000
        async with open_house(tmp_path / "fast") as house, house.visit() as anna, house.visit(anna.user_id) as other:
            thread_id = await new_thread(anna)
            stream = anna.messages.SendMessage(
                SendMessageRequest(thread_id=thread_id, model_id="echo", content=content)
            )
            slow = await watch(stream, until=1)
            quick = await see_the_rest(other, Seen(slow.message_id))
            assert quick.text == content
            assert slow.seq < quick.seq
            await watch(stream, slow)
            assert slow.tokens == quick.tokens == tokens_of(await stored(anna, slow.message_id))

    async def test_one_that_leaves_cancels_nothing(self, house: House, anna: Person) -> None:
        async with house.visit(anna.user_id) as visitor:
            seen = await watch(visitor.messages.SendMessage(ask(await new_thread(visitor), 60)), until=3)
        message = await eventually(lambda: stored(anna, seen.message_id), ended)
        assert message.status == MESSAGE_STATUS_COMPLETE
        assert message.tokens.text == text_of(60)

    async def test_one_that_leaves_while_the_question_is_being_stored(self, anna: Person) -> None:
        """Whenever a call is cut, nothing was stored or the answer comes whole."""
        dice = random.Random(7)  # noqa: S311 # when to leave
        thread_ids = [await new_thread(anna) for _ in range(60)]
        for thread_id in thread_ids:
            stream = anna.messages.SendMessage(ask(thread_id, 3))
            reading = asyncio.ensure_future(anext(aiter(stream)))
            await asyncio.wait([reading], timeout=dice.uniform(0, 0.012))
            stream.cancel()
            await asyncio.wait([reading])

        listings = [partial(listed, anna, thread_id) for thread_id in thread_ids]
        threads = [await eventually(listing, lambda messages: all(map(ended, messages))) for listing in listings]
        outcomes = {tuple(message.status for message in messages) for messages in threads}
        assert outcomes <= {(), (MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_COMPLETE)}

    async def test_one_whose_thread_is_deleted(self, anna: Person) -> None:
        thread_id = await new_thread(anna)
        stream = anna.messages.SendMessage(ask(thread_id, 300))
        seen = await watch(stream, until=1)
        await anna.threads.DeleteThread(DeleteThreadRequest(id=thread_id))
        # Whether the end is still told before the message goes is a matter of moments.
        with suppress_not_found():
            await watch(stream, seen)
        assert seen.ended is None or seen.ended.status == MESSAGE_STATUS_CANCELLED
        assert seen.seq < 300


class TestCancelling:
    async def test_the_partial_text_stays_as_it_was_seen(self, anna: Person) -> None:
        stream = anna.messages.SendMessage(ask(await new_thread(anna), 300))
        seen = await watch(stream, until=20)
        ended = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))
        await watch(stream, seen)
        assert 20 <= seen.seq < 300
        assert ended.status == MESSAGE_STATUS_CANCELLED
        assert tokens_of(ended) == seen.tokens
        assert seen.text == text_of(300)[: len(seen.text)]
        assert seen.ended == without_tokens(ended)

        again = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))
        assert again == ended == await stored(anna, seen.message_id)
        assert (await see_the_rest(anna, Seen(seen.message_id))).tokens == seen.tokens

    async def test_a_finished_answer_stays_as_it_is(self, anna: Person) -> None:
        seen = await see_the_rest(anna, await begin(anna, 5))
        message = await stored(anna, seen.message_id)
        assert await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id)) == message
        assert message.status == MESSAGE_STATUS_COMPLETE

    async def test_a_request_id_is_for_one_answer(self, anna: Person) -> None:
        first, second = await begin(anna, 300, until=5), await begin(anna, 300, until=5)
        request = CancelGenerationRequest(message_id=first.message_id, request_id="stop")
        ended = await anna.messages.CancelGeneration(request)
        assert await anna.messages.CancelGeneration(request) == ended
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await anna.messages.CancelGeneration(
                CancelGenerationRequest(message_id=second.message_id, request_id="stop")
            )
        assert refusal.error.reason == "REQUEST_ID_REUSED"
        assert (await stored(anna, second.message_id)).status != MESSAGE_STATUS_CANCELLED

    async def test_many_at_once_are_one(self, anna: Person) -> None:
        seen = await begin(anna, 300, until=5)
        cancel = CancelGenerationRequest(message_id=seen.message_id)
        answers = await asyncio.gather(*(anna.messages.CancelGeneration(cancel) for _ in range(10)))
        assert all(answer == answers[0] for answer in answers)
        assert answers[0].status == MESSAGE_STATUS_CANCELLED


async def test_an_orderly_stop_sends_viewers_elsewhere_and_keeps_what_was_said(pace: None, tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        person = await house.person()
        streams = [person.messages.SendMessage(ask(await new_thread(person), 600)) for _ in range(3)]
        viewers = [await watch(stream, until=10) for stream in streams]
        stopping = asyncio.create_task(house.process.stop())
        for stream, seen in zip(streams, viewers, strict=True):
            with refused(StatusCode.UNAVAILABLE) as refusal:
                await watch(stream, seen)
            assert refusal.error.reason == "STOPPING"
            assert seen.ended is None
        await stopping

    async with open_house(tmp_path / "data") as house:
        person = await house.person(person.user_id)
        for seen in viewers:
            before = list(seen.tokens)
            await see_the_rest(person, seen)
            message = await stored(person, seen.message_id)
            assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "INTERRUPTED")
            assert tokens_of(message) == seen.tokens
            assert seen.tokens[: len(before)] == before
            assert 10 <= seen.seq < 600


async def test_what_waits_at_an_orderly_stop_is_answered_after_the_restart(pace: None, tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        person = await house.person()
        thread_id = await new_thread(person)
        running = await watch(person.messages.SendMessage(ask(thread_id, 600)), until=1)
        question = ask(thread_id, 5)
        question.busy_policy = BUSY_POLICY_ENQUEUE
        waiting = await watch(person.messages.SendMessage(question), until=0)
    async with open_house(tmp_path / "data") as house:
        person = await house.person(person.user_id)
        await see_the_rest(person, waiting)
        assert waiting.text == text_of(5)
        assert (await stored(person, running.message_id)).error.code == "INTERRUPTED"


@contextmanager
def suppress_not_found() -> Iterator[None]:
    try:
        yield
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.NOT_FOUND:
            raise


async def listed(person: Person, thread_id: str) -> list[Message]:
    return list((await person.messages.ListMessages(ListMessagesRequest(thread_id=thread_id))).messages)


def ended(message: Message) -> bool:
    return message.status in (MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, MESSAGE_STATUS_CANCELLED)


def without_tokens(message: Message) -> Message:
    shown = Message()
    shown.CopyFrom(message)
    shown.ClearField("tokens")
    return shown
