"""Eighty real conversations go through the echo model and come back as they were said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_ASSISTANT, ROLE_USER, Message
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest

from tests.integration.calling import eventually
from tests.integration.conftest import Person
from tests.integration.watching import tokens_of, watch

QUESTIONS = Path(__file__).parents[1] / "data" / "conversations" / "mt_bench-question.jsonl"


@pytest.fixture(scope="session")
def conversations() -> list[list[str]]:
    """The people's side of MT-bench: 80 conversations of two turns."""
    lines = QUESTIONS.read_text("utf-8").splitlines()
    return [json.loads(line)["turns"] for line in lines]


async def hold(person: Person, turns: list[str]) -> str:
    """Says each of the turns once the one before is answered; gives the thread's id."""
    thread = await person.threads.CreateThread(CreateThreadRequest(title=turns[0].splitlines()[0][:50]))
    for text in turns:
        request = SendMessageRequest(thread_id=thread.id, model_id="echo", content=text)
        seen = await watch(person.messages.SendMessage(request))
        assert seen.ended is not None
        assert seen.ended.status == MESSAGE_STATUS_COMPLETE
        assert seen.text == text
    return thread.id


async def read_back(person: Person, thread_id: str, *, page_size: int) -> list[Message]:
    """All messages of a thread, oldest first, page by page."""
    request = ListMessagesRequest(thread_id=thread_id, page_size=page_size, oldest_first=True, count_total=True)
    messages: list[Message] = []
    while True:
        page = await person.messages.ListMessages(request)
        messages += page.messages
        assert len(page.messages) <= page_size
        if not page.next_page_token:
            assert page.total_size == len(messages)
            return messages
        request.page_token = page.next_page_token


async def test_all_conversations_come_back_byte_for_byte(anna: Person, conversations: list[list[str]]) -> None:
    assert len(conversations) == 80
    thread_ids = await asyncio.gather(*(hold(anna, turns) for turns in conversations))

    for thread_id, turns in zip(thread_ids, conversations, strict=True):
        stored = await read_back(anna, thread_id, page_size=3)
        assert [message.position for message in stored] == [1, 2, 3, 4]
        assert [message.role for message in stored] == [ROLE_USER, ROLE_ASSISTANT] * 2
        said = [message.content.encode() for message in stored if message.role == ROLE_USER]
        answered = [message.tokens.text.encode() for message in stored if message.role == ROLE_ASSISTANT]
        assert said == answered == [turn.encode() for turn in turns]
        for question, answer in zip(stored[::2], stored[1::2], strict=True):
            assert answer.question_id == question.id
            assert "".join(tokens_of(answer)) == question.content


async def test_a_threads_totals_are_those_of_its_messages(anna: Person, conversations: list[list[str]]) -> None:
    thread_id = await hold(anna, conversations[0])
    stored = await read_back(anna, thread_id, page_size=100)

    thread = await eventually(
        lambda: anna.threads.GetThread(GetThreadRequest(id=thread_id)), lambda thread: thread.total_messages == 4
    )
    usage = thread.models["echo"]
    assert usage.message_count == len(stored)
    assert usage.total_tokens_used == sum(message.context_tokens + message.total_tokens for message in stored)
