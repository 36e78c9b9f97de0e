"""Questions asked otherwise and answers generated anew: branches of a conversation, one of which is active."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_CANCELLED, ROLE_ASSISTANT, ROLE_USER
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    TEXT_FORMAT_HTML,
    CancelGenerationRequest,
    EditMessageRequest,
    ListMessagesRequest,
    RegenerateMessageRequest,
    SelectVersionRequest,
    SendMessageRequest,
)

from libs.common.access.initial_config import DEFAULT_SYSTEM_PROMPT, DEFAULT_TEMPERATURE
from libs.common.documents.unit import Unit
from services.messages.branches import MOST_BRANCHES
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
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.watching import Seen, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

LONG = " ".join(f"word{number}" for number in range(100))
GPT = "gpt-4.1"


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An echo model of 400 words a second, and GPT models behind a stand-in."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "400")
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def thread_id(anna: Person) -> str:
    return await new_thread(anna)


class TestMessagesFollowEachOther:
    async def test_each_knows_the_one_before(self, anna: Person, thread_id: str) -> None:
        for content in ("one", "two"):
            await ask(anna, thread_id, content)
        messages = await listed(anna, thread_id)
        assert [message.parent_id for message in messages] == ["", *(message.id for message in messages[:-1])]
        assert {message.branch for message in messages} == {0}
        assert not any(message.version_ids for message in messages)

    async def test_each_model_has_a_conversation_of_its_own(
        self, anna: Person, thread_id: str, openai: StandInOpenAI
    ) -> None:
        openai.replies.append(Reply(["hello"]))
        first = await ask(anna, thread_id, "one")
        other = await ask(anna, thread_id, "two", model_id=GPT)
        last = await ask(anna, thread_id, "three")
        assert (await message_of(anna, other.question_id)).parent_id == ""
        assert (await message_of(anna, last.question_id)).parent_id == first.id


class TestEdit:
    async def test_another_question_stands_in_its_place(self, anna: Person, thread_id: str) -> None:
        await ask(anna, thread_id, "one")
        second = await ask(anna, thread_id, "two")
        await ask(anna, thread_id, "three")
        answer = await edit(anna, second.question_id, "deux")
        assert await texts(anna, thread_id) == ["one", "<one>", "deux", "<deux>"]
        edited, question = await message_of(anna, second.question_id), await message_of(anna, answer.question_id)
        assert (question.parent_id, question.version_of) == (edited.parent_id, edited.id)
        assert (question.role, question.branch, answer.branch) == (ROLE_USER, 1, 1)
        assert list(question.version_ids) == list(edited.version_ids) == [edited.id, question.id]

    async def test_what_is_sent_next_follows_there(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        await edit(anna, first.question_id, "un")
        await ask(anna, thread_id, "deux")
        assert await texts(anna, thread_id) == ["un", "<un>", "deux", "<deux>"]
        assert await texts(anna, thread_id, all_branches=True) == [
            *("one", "<one>"),
            *("un", "<un>", "deux", "<deux>"),
        ]

    async def test_a_version_is_edited_too(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        second = await edit(anna, first.question_id, "un")
        third = await edit(anna, second.question_id, "uno")
        ids = [answer.question_id for answer in (first, second, third)]
        assert [list((await message_of(anna, id)).version_ids) for id in ids] == [ids] * 3

    async def test_a_repeat_attaches_to_the_first_ones_stream(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        request = EditMessageRequest(message_id=first.question_id, content=LONG, request_id="r")
        seen = await asyncio.gather(*(watch(anna.messages.EditMessage(request)) for _ in range(5)))
        assert {(one.message_id, one.text) for one in seen} == {(seen[0].message_id, LONG)}
        assert len(await listed(anna, thread_id, all_branches=True)) == 4

    async def test_it_is_asked_as_a_new_message_is(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one", temperature=0.25, system_prompt="Be brief.")
        again = await edit(anna, first.question_id, "un")
        assert (again.temperature, again.system_prompt) == (DEFAULT_TEMPERATURE, DEFAULT_SYSTEM_PROMPT)
        other = await edit(anna, first.question_id, "uno", temperature=0.75, system_prompt="Be kind.")
        assert (other.temperature, other.system_prompt) == (0.75, "Be kind.")

    async def test_only_a_question_is_edited(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await edit(anna, answer.id, "un")
        assert refusal.error.reason == "NOT_A_QUESTION"

    async def test_an_answer_that_runs_is_in_the_way(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        stream = aiter(anna.messages.SendMessage(_asking(thread_id, LONG)))
        running = (await anext(stream)).message_id
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await edit(anna, first.question_id, "un")
        assert refusal.error.reason == "THREAD_BUSY"
        waiting = await edit(anna, first.question_id, "un", busy_policy=BUSY_POLICY_ENQUEUE)
        assert waiting.tokens.text == "un"
        assert (await message_of(anna, running)).tokens.text == LONG

    async def test_or_makes_way(self, anna: Person, thread_id: str) -> None:
        stream = aiter(anna.messages.SendMessage(_asking(thread_id, LONG)))
        running = await message_of(anna, (await anext(stream)).message_id)
        await edit(anna, running.question_id, "un", busy_policy=BUSY_POLICY_INTERRUPT)
        assert (await message_of(anna, running.id)).status == MESSAGE_STATUS_CANCELLED
        assert await texts(anna, thread_id) == ["un", "<un>"]

    async def test_the_model_is_asked_with_what_is_on_the_path(
        self, anna: Person, thread_id: str, openai: StandInOpenAI
    ) -> None:
        openai.replies.extend(Reply([f"answer {number}"]) for number in range(4))
        await ask(anna, thread_id, "one", model_id=GPT)
        second = await ask(anna, thread_id, "two", model_id=GPT)
        await edit(anna, second.question_id, "deux")
        await ask(anna, thread_id, "trois", model_id=GPT)
        turns = openai.turns(openai.requests[-1])
        assert [text for role, text in turns if role != "system"] == [
            *("one", "answer 0"),
            *("deux", "answer 2"),
            "trois",
        ]


class TestRegenerate:
    async def test_another_answer_stands_in_its_place(
        self, anna: Person, thread_id: str, openai: StandInOpenAI
    ) -> None:
        openai.replies.extend(Reply([f"answer {number}"]) for number in range(3))
        first = await ask(anna, thread_id, "one", model_id=GPT, system_prompt="Be brief.")
        await ask(anna, thread_id, "two", model_id=GPT)
        again = await regenerate(anna, first.id)
        assert await texts(anna, thread_id) == ["one", "<answer 2>"]
        assert (again.parent_id, again.question_id, again.version_of) == (
            first.question_id,
            first.question_id,
            first.id,
        )
        assert (again.role, again.branch, again.system_prompt) == (ROLE_ASSISTANT, 1, "Be brief.")
        assert list(again.version_ids) == [first.id, again.id]
        assert openai.turns(openai.requests[-1]) == [("system", "Be brief."), ("user", "one")]

    async def test_a_cancelled_answer_too(self, anna: Person, thread_id: str) -> None:
        stream = aiter(anna.messages.SendMessage(_asking(thread_id, LONG)))
        running = (await anext(stream)).message_id
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await regenerate(anna, running)
        assert refusal.error.reason == "NOT_ENDED"
        await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=running))
        assert (await regenerate(anna, running)).tokens.text == LONG

    async def test_only_an_answer_is_generated_anew(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await regenerate(anna, answer.question_id)
        assert refusal.error.reason == "NOT_AN_ANSWER"

    async def test_a_repeat_attaches(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one two three")
        request = RegenerateMessageRequest(message_id=answer.id, request_id="r")
        seen = [await watch(anna.messages.RegenerateMessage(request)) for _ in range(2)]
        assert seen[0].message_id == seen[1].message_id
        assert len(await listed(anna, thread_id, all_branches=True)) == 3


class TestSelect:
    async def test_what_was_there_comes_back(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        await ask(anna, thread_id, "two")
        other = await edit(anna, first.question_id, "un")
        shown = await select(anna, first.question_id)
        assert list(shown.version_ids) == [first.question_id, other.question_id]
        assert await texts(anna, thread_id) == ["one", "<one>", "two", "<two>"]
        await ask(anna, thread_id, "three")
        assert (await texts(anna, thread_id))[-2:] == ["three", "<three>"]
        await select(anna, other.id)
        assert await texts(anna, thread_id) == ["un", "<un>"]

    async def test_a_repeat_does_not_choose_again(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        other = await regenerate(anna, first.id)
        request = SelectVersionRequest(message_id=first.id, request_id="r")
        await anna.messages.SelectVersion(request)
        await select(anna, other.id)
        await anna.messages.SelectVersion(request)
        assert (await listed(anna, thread_id))[-1].id == other.id

    async def test_a_running_answer_ends_wherever_it_stands(self, anna: Person, thread_id: str) -> None:
        first = await ask(anna, thread_id, "one")
        request = EditMessageRequest(message_id=first.question_id, content=LONG)
        stream = aiter(anna.messages.EditMessage(request))
        seen = Seen()
        seen.take(await anext(stream))
        await select(anna, first.id)
        assert (await watch(stream, seen)).text == LONG
        assert await texts(anna, thread_id) == ["one", "<one>"]
        await ask(anna, thread_id, "two")
        await select(anna, seen.message_id)
        assert await texts(anna, thread_id) == [LONG, f"<{LONG}>"]

    async def test_models_choose_apart(self, anna: Person, thread_id: str, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(["hello"]))
        first = await ask(anna, thread_id, "one")
        await ask(anna, thread_id, "two", model_id=GPT)
        await edit(anna, first.question_id, "un")
        assert await texts(anna, thread_id) == ["two", "<hello>", "un", "<un>"]
        assert await texts(anna, thread_id, model_id=GPT) == ["two", "<hello>"]
        assert await texts(anna, thread_id, model_id="echo") == ["un", "<un>"]


class TestLists:
    @pytest.mark.parametrize("oldest_first", [True, False])
    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    async def test_pages_are_full_whatever_is_left_out(
        self, anna: Person, thread_id: str, size: int, oldest_first: bool
    ) -> None:
        answer = await ask(anna, thread_id, "0")
        for number in range(1, 5):
            # Each leaves the one before it behind.
            answer = await edit(anna, answer.question_id, f"{number}a")
            answer = await ask(anna, thread_id, f"{number}b")
        whole = [message.id for message in await listed(anna, thread_id)]
        assert len(whole) == 2 * 5
        request = ListMessagesRequest(thread_id=thread_id, page_size=size, oldest_first=oldest_first)
        pages: list[list[str]] = []
        while not pages or request.page_token:
            page = await anna.messages.ListMessages(request)
            pages.append([message.id for message in page.messages])
            request.page_token = page.next_page_token
        assert [id for page_ids in pages for id in page_ids] == (whole if oldest_first else whole[::-1])
        assert all(len(page_ids) == size for page_ids in pages[:-1])

    async def test_a_count_counts_other_versions(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        await regenerate(anna, answer.id)
        page = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id, count_total=True))
        assert (len(page.messages), page.total_size) == (2, 3)

    async def test_versions_are_named_in_html_too(self, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "*one*")
        again = await regenerate(anna, answer.id)
        shown = (await listed(anna, thread_id, format=TEXT_FORMAT_HTML))[-1]
        assert (list(shown.version_ids), shown.html) == ([answer.id, again.id], "<p><em>one</em></p>\n")


class TestRefusals:
    @pytest.mark.parametrize("method", ["EditMessage", "RegenerateMessage", "SelectVersion"])
    async def test_anothers_message_is_not_there(self, house: House, anna: Person, thread_id: str, method: str) -> None:
        answer, bert = await ask(anna, thread_id, "one"), await house.person()
        requests: dict[str, Any] = {
            "EditMessage": EditMessageRequest(message_id=answer.question_id, content="un"),
            "RegenerateMessage": RegenerateMessageRequest(message_id=answer.id),
            "SelectVersion": SelectVersionRequest(message_id=answer.id),
        }
        with refused(StatusCode.NOT_FOUND):
            call = getattr(bert.messages, method)(requests[method])
            await (call if method == "SelectVersion" else watch(call))

    async def test_branches_are_bounded(self, house: House, anna: Person, thread_id: str) -> None:
        answer = await ask(anna, thread_id, "one")
        await regenerate(anna, answer.id)
        conversation = await (await documents_of(house, "messages")).get(CONVERSATIONS, thread_id)
        last = conversation.branches["echo"].branches[-1]
        while len(conversation.branches["echo"].branches) < MOST_BRANCHES:
            conversation.branches["echo"].branches.add().CopyFrom(last)
            conversation.branches["echo"].branches[-1].number += len(conversation.branches["echo"].branches)
        await plant(house, "messages", CONVERSATIONS, conversation)
        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            await regenerate(anna, answer.id)
        assert refusal.error.reason == "TOO_MANY_BRANCHES"
        assert len(await listed(anna, thread_id, all_branches=True)) == 3


class TestBeforeBranches:
    """Conversations whose messages say nothing of what they follow, and whose document knows no head."""

    @pytest.fixture
    async def old_thread_id(self, house: House, anna: Person, thread_id: str) -> str:
        for content in ("one", "two", "three"):
            await ask(anna, thread_id, content)

        async def forget(unit: Unit) -> None:
            (await unit.get(CONVERSATIONS, thread_id)).ClearField("heads")
            unit.put(CONVERSATIONS, await unit.get(CONVERSATIONS, thread_id))
            for shown in await listed(anna, thread_id):
                message = await unit.get(MESSAGES, shown.id)
                message.parent_id = ""
                unit.put(MESSAGES, message)

        await (await documents_of(house, "messages")).unit(forget)
        return thread_id

    async def test_go_on_behind_their_last_message(self, anna: Person, old_thread_id: str) -> None:
        before = await listed(anna, old_thread_id)
        answer = await ask(anna, old_thread_id, "four")
        assert (await message_of(anna, answer.question_id)).parent_id == before[-1].id

    async def test_are_edited_in_the_middle(self, anna: Person, old_thread_id: str) -> None:
        before = await listed(anna, old_thread_id)
        answer = await edit(anna, before[2].id, "deux")
        question = await message_of(anna, answer.question_id)
        assert question.parent_id == before[1].id
        assert list((await message_of(anna, before[2].id)).version_ids) == [before[2].id, question.id]
        assert await texts(anna, old_thread_id) == ["one", "<one>", "deux", "<deux>"]

    async def test_are_edited_at_the_beginning(self, anna: Person, old_thread_id: str) -> None:
        before = await listed(anna, old_thread_id)
        await edit(anna, before[0].id, "un")
        assert await texts(anna, old_thread_id) == ["un", "<un>"]
        await select(anna, before[0].id)
        assert [message.id for message in await listed(anna, old_thread_id)] == [message.id for message in before]

    async def test_have_their_answers_generated_anew(self, anna: Person, old_thread_id: str) -> None:
        before = await listed(anna, old_thread_id)
        again = await regenerate(anna, before[3].id)
        assert (again.parent_id, again.tokens.text) == (before[2].id, "two")
        assert await texts(anna, old_thread_id) == ["one", "<one>", "two", "<two>"]


async def test_all_of_it_is_sound(house: House, anna: Person, thread_id: str) -> None:
    """No message follows one that is not there, and no branch begins or ends with one."""
    first = await ask(anna, thread_id, "one")
    await edit(anna, first.question_id, "un")
    await regenerate(anna, first.id)
    assert await orphans_of_messages(house, thread_id) == []


def _asking(thread_id: str, content: str) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, model_id="echo", content=content)
