"""A message is deleted, and all that follows it goes with it: at once for everybody, in steps from the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.events.v1.events_pb2 import MessagesRemoved
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_GENERATING, Feedback, Message
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_UNSPECIFIED,
    BusyPolicy,
    DeleteMessageRequest,
    EditMessageRequest,
    ListMessagesRequest,
    SendMessageRequest,
    SetFeedbackRequest,
    StreamTokensRequest,
)
from llmchat.store.v1.outbox_pb2 import PublishedEvent
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import DeleteThreadRequest, GetThreadRequest

from libs.common.events.bus import Delivery
from libs.common.events.outbox import event_channel
from libs.common.events.subscription import subscribed
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from tests.integration.branching import (
    ask,
    edit,
    listed,
    message_of,
    new_thread,
    orphans_of_messages,
    regenerate,
    select,
    texts,
)
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of
from tests.integration.watching import watch

LONG = " ".join(f"word{number}" for number in range(400))


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An echo model of 400 words a second."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "400")
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def thread_id(anna: Person) -> str:
    return await new_thread(anna)


async def delete(person: Person, message_id: str, *, etag: str = "", request_id: str = "") -> None:
    request = DeleteMessageRequest(id=message_id, etag=etag, request_id=request_id)
    await person.messages.DeleteMessage(request)


async def stored(house: House, thread_id: str) -> list[str]:
    """The ids of all messages of the thread that there still are, once what was deleted is gone."""
    documents = await documents_of(house, "messages")

    async def read_marks() -> int:
        return len((await documents.get(CONVERSATIONS, thread_id)).removals)

    await eventually(read_marks, lambda marks: not marks)
    query = Query.where(MESSAGES, order="position", thread_id=thread_id)
    return [message.id for message in await documents.query(query)]


async def totals(person: Person, thread_id: str, messages: int) -> Thread:
    """The thread once it has heard of so many messages."""

    async def read() -> Thread:
        return await person.threads.GetThread(GetThreadRequest(id=thread_id))

    return await eventually(read, lambda thread: thread.total_messages == messages)


class TestWhatGoes:
    async def test_all_that_follows_it(self, house: House, anna: Person, thread_id: str) -> None:
        first, second, third = [await ask(anna, thread_id, content) for content in ("one", "two", "three")]
        await delete(anna, second.question_id)
        assert await texts(anna, thread_id) == ["one", "<one>"]
        for gone in (second.question_id, second.id, third.question_id, third.id):
            with refused(StatusCode.NOT_FOUND):
                await message_of(anna, gone)
            with refused(StatusCode.NOT_FOUND):
                await watch(anna.messages.StreamTokens(StreamTokensRequest(message_id=gone)))
        assert await stored(house, thread_id) == [first.question_id, first.id]
        assert await orphans_of_messages(house, thread_id) == []

    async def test_on_every_branch(self, house: House, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        second = await ask(anna, thread_id, "two")
        await regenerate(anna, second.id)
        await edit(anna, second.question_id, "deux")
        await ask(anna, thread_id, "trois")
        await delete(anna, first.id)
        assert await texts(anna, thread_id, all_branches=True) == ["one"]
        assert await stored(house, thread_id) == [first.question_id]

    async def test_other_versions_and_other_models_stay(self, house: House, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        await ask(anna, thread_id, "two")
        other = await edit(anna, first.question_id, "un")
        await delete(anna, other.question_id)
        assert await texts(anna, thread_id) == ["one", "<one>", "two", "<two>"]
        assert list((await message_of(anna, first.question_id)).version_ids) == []
        assert len(await stored(house, thread_id)) == 4
        assert await orphans_of_messages(house, thread_id) == []

    async def test_all_of_it(self, house: House, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        await delete(anna, first.question_id)
        assert await texts(anna, thread_id) == []
        answer = await ask(anna, thread_id, "anew")
        assert (await message_of(anna, answer.question_id)).parent_id == ""
        assert await stored(house, thread_id) == [answer.question_id, answer.id]

    async def test_what_is_said_next_follows_what_is_left(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        second = await ask(anna, thread_id, "two")
        await delete(anna, second.question_id)
        third = await ask(anna, thread_id, "three")
        assert (await message_of(anna, third.question_id)).parent_id == first.id
        assert await texts(anna, thread_id) == ["one", "<one>", "three", "<three>"]

    async def test_the_active_path_goes_on_with_another_version(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        again = await regenerate(anna, answer.id)
        await ask(anna, thread_id, "two")
        await select(anna, answer.id)
        await delete(anna, answer.id)
        assert [message.id for message in await listed(anna, thread_id)][:2] == [answer.question_id, again.id]
        assert (await texts(anna, thread_id))[2:] == ["two", "<two>"]

    async def test_the_original_of_a_version(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        other = await edit(anna, first.question_id, "un")
        last = await edit(anna, other.question_id, "uno")
        await delete(anna, first.question_id)
        left = [other.question_id, last.question_id]
        assert list((await message_of(anna, other.question_id)).version_ids) == left


class TestWhatIsBeingWritten:
    async def test_is_cancelled_first(self, house: House, anna: Person, thread_id: str) -> None:
        stream = aiter(anna.messages.SendMessage(_asking(thread_id, LONG)))
        running = await message_of(anna, (await anext(stream)).message_id)
        waiting = aiter(anna.messages.SendMessage(_asking(thread_id, LONG, BUSY_POLICY_ENQUEUE)))
        await anext(waiting)
        await delete(anna, running.question_id, etag="1")
        assert await stored(house, thread_id) == []
        documents = await documents_of(house, "messages")
        turns = (await documents.get(CONVERSATIONS, thread_id)).turns["echo"]
        assert (turns.running, list(turns.waiting)) == ("", [])
        assert (await ask(anna, thread_id, "anew")).tokens.text == "anew"

    async def test_the_answer_itself(self, house: House, anna: Person, thread_id: str) -> None:
        stream = aiter(anna.messages.SendMessage(_asking(thread_id, LONG)))
        running = await message_of(anna, (await anext(stream)).message_id)
        assert running.status == MESSAGE_STATUS_GENERATING
        await delete(anna, running.id, etag=running.etag)
        assert await stored(house, thread_id) == [running.question_id]

    async def test_elsewhere_goes_on(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        request = EditMessageRequest(message_id=first.question_id, content=LONG)
        stream = aiter(anna.messages.EditMessage(request))
        running = (await anext(stream)).message_id
        await delete(anna, first.question_id)
        seen = await watch(anna.messages.StreamTokens(StreamTokensRequest(message_id=running)))
        assert seen.text == LONG


class TestCalls:
    async def test_a_repeat_deletes_nothing_more(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        second = await ask(anna, thread_id, "two")
        for _ in range(2):
            await delete(anna, second.question_id, request_id="r")
        with refused(StatusCode.NOT_FOUND):
            await delete(anna, second.question_id)
        assert [message.id for message in await listed(anna, thread_id)] == [first.question_id, first.id]

    async def test_at_once_by_several(self, house: House, anna: Person, thread_id: str) -> None:
        answers = [await ask(anna, thread_id, str(number)) for number in range(4)]

        async def try_to(message_id: str) -> bool:
            try:
                await delete(anna, message_id)
            except Exception:  # what follows another one is gone with it
                return False
            return True

        deleted = await asyncio.gather(*(try_to(answer.question_id) for answer in answers))
        assert deleted[0]
        assert await stored(house, thread_id) == []
        assert (await totals(anna, thread_id, 0)).models["echo"].message_count == 0

    async def test_of_a_message_that_has_moved(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        await anna.messages.SetFeedback(SetFeedbackRequest(message_id=answer.id, feedback=Feedback(rating=3)))
        with refused(StatusCode.ABORTED) as refusal:
            await delete(anna, answer.id, etag=answer.etag)
        assert refusal.error.reason == "STALE_ETAG"
        await delete(anna, answer.id, etag=(await message_of(anna, answer.id)).etag)

    async def test_of_anothers_message(self, house: House, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        with refused(StatusCode.NOT_FOUND):
            await delete(await house.person(), answer.id)


class TestTotals:
    async def test_the_thread_has_what_is_left(self, anna: Person, thread_id: str) -> None:
        await ask(anna, thread_id, "one")
        before = await totals(anna, thread_id, 2)
        second = await ask(anna, thread_id, "two and some more")
        await totals(anna, thread_id, 4)
        await delete(anna, second.question_id)
        after = await totals(anna, thread_id, 2)
        assert after.models["echo"].message_count == 2
        assert after.models["echo"].total_tokens_used == before.models["echo"].total_tokens_used
        assert list(after.active_models) == ["echo"]

    async def test_a_model_that_has_nothing_left_is_not_active(self, anna: Person, thread_id: str) -> None:
        await delete(anna, (await ask(anna, thread_id, "one")).question_id)
        after = await totals(anna, thread_id, 0)
        assert (list(after.active_models), after.models["echo"].total_tokens_used) == ([], 0)

    async def test_a_deleted_thread_tells_what_it_had(self, house: House, anna: Person, thread_id: str) -> None:
        answers = [await ask(anna, thread_id, content) for content in ("one", "two")]
        async with subscribed(house.process.bus, event_channel("messages.removed")) as events:
            await anna.threads.DeleteThread(DeleteThreadRequest(id=thread_id))
            told = await anext(aiter(events))
        assert isinstance(told, Delivery)
        removed = MessagesRemoved()
        PublishedEvent.FromString(told.payload).event.payload.Unpack(removed)
        assert (removed.thread_id, removed.user_id) == (thread_id, anna.user_id)
        assert removed.models["echo"].messages == 4
        assert removed.models["echo"].tokens == sum(_tokens(answer) for answer in answers)


class TestLongTails:
    async def test_nobody_sees_a_part_of_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anna: Person, thread_id: str
    ) -> None:
        """However often one looks, either all is there or nothing."""
        monkeypatch.setattr("libs.common.documents.portions._DOCUMENTS", 3)
        monkeypatch.setattr("libs.common.documents.portions._SLICE", 2)
        first = await ask(anna, thread_id, "one")
        for number in range(10):
            await ask(anna, thread_id, str(number))
        request = ListMessagesRequest(thread_id=thread_id, page_size=100)
        sizes: list[int] = []

        async def look() -> None:
            while not sizes or sizes[-1] > 1:
                sizes.append(len((await anna.messages.ListMessages(request)).messages))

        looking = asyncio.create_task(look())
        await delete(anna, first.id)
        await looking
        assert set(sizes) <= {22, 1}
        assert (await totals(anna, thread_id, 1)).models["echo"].message_count == 1

    async def test_it_goes_on_after_a_stop(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The process is gone before a document is: the next one removes them all, and nobody sees any meanwhile."""
        monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
        async with open_house(tmp_path / "other") as house:
            anna = await house.person()
            thread_id = await new_thread(anna)
            first = await ask(anna, thread_id, "one")
            for number in range(3):
                await ask(anna, thread_id, str(number))
            # Nobody of this house hears of what is to be removed.
            monkeypatch.setattr("services.messages.subscribers.remove_deleted", _never)
            await delete(anna, first.id)
            assert await texts(anna, thread_id, all_branches=True) == ["one"]
        monkeypatch.undo()
        monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
        async with open_house(tmp_path / "other") as house:
            anna = await house.person(anna.user_id)
            assert await stored(house, thread_id) == [first.question_id]
            assert await texts(anna, thread_id) == ["one"]
            assert (await totals(anna, thread_id, 1)).models["echo"].message_count == 1


async def _never(*_: object) -> str | None:
    await asyncio.Event().wait()
    return None


def _tokens(answer: Message) -> int:
    return answer.context_tokens + answer.total_tokens


def _asking(thread_id: str, content: str, busy_policy: BusyPolicy = BUSY_POLICY_UNSPECIFIED) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, model_id="echo", content=content, busy_policy=busy_policy)
