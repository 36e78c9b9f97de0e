"""What a reader thinks of an answer."""

from __future__ import annotations

import pytest
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import Feedback, Message
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest, SendMessageRequest, SetFeedbackRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest

from tests.integration.branching import ask, message_of, new_thread
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person

GOOD = Feedback(rating=5, helpful=True, comments="Just what I asked.\nThank you.")


@pytest.fixture
async def answer(anna: Person) -> Message:
    return await ask(anna, await new_thread(anna), "one")


async def think(person: Person, message_id: str, feedback: Feedback | None, request_id: str = "") -> Message:
    request = SetFeedbackRequest(message_id=message_id, feedback=feedback, request_id=request_id)
    return await person.messages.SetFeedback(request)


async def test_it_is_kept_and_replaced_whole(anna: Person, answer: Message) -> None:
    assert (await think(anna, answer.id, GOOD)).feedback == GOOD
    assert (await message_of(anna, answer.id)).feedback == GOOD
    await think(anna, answer.id, Feedback(rating=1))
    assert (await message_of(anna, answer.id)).feedback == Feedback(rating=1)


@pytest.mark.parametrize("nothing", [None, Feedback()], ids=["left out", "empty"])
async def test_it_is_taken_back(anna: Person, answer: Message, nothing: Feedback | None) -> None:
    await think(anna, answer.id, GOOD)
    assert not (await think(anna, answer.id, nothing)).HasField("feedback")
    assert not (await message_of(anna, answer.id)).HasField("feedback")


async def test_a_repeat_changes_nothing(anna: Person, answer: Message) -> None:
    first = await think(anna, answer.id, GOOD, "r")
    await think(anna, answer.id, Feedback(rating=1))
    assert await think(anna, answer.id, GOOD, "r") == first
    assert (await message_of(anna, answer.id)).feedback == Feedback(rating=1)


async def test_it_is_no_activity_of_the_thread(anna: Person, answer: Message) -> None:
    async def read() -> Thread:
        return await anna.threads.GetThread(GetThreadRequest(id=answer.thread_id))

    before = await eventually(read, lambda thread: thread.total_messages == 2)
    await think(anna, answer.id, GOOD)
    assert await read() == before


async def test_an_answer_that_runs_keeps_it(anna: Person) -> None:
    request = SendMessageRequest(thread_id=await new_thread(anna), model_id="echo", content="one " * 2000)
    stream = aiter(anna.messages.SendMessage(request))
    message_id = (await anext(stream)).message_id
    await think(anna, message_id, GOOD)
    ended = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=message_id))
    assert ended.feedback == GOOD


async def test_a_question_takes_none(anna: Person, answer: Message) -> None:
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await think(anna, answer.question_id, GOOD)
    assert refusal.error.reason == "NOT_AN_ANSWER"


@pytest.mark.parametrize(
    "wrong",
    [Feedback(rating=6), Feedback(rating=-1), Feedback(comments="x" * 1001), Feedback(comments="a\x00b")],
    ids=["above five", "below none", "too long", "no text"],
)
async def test_what_it_may_be(anna: Person, answer: Message, wrong: Feedback) -> None:
    with refused(StatusCode.INVALID_ARGUMENT):
        await think(anna, answer.id, wrong)


async def test_anothers_answer_is_not_there(house: House, answer: Message) -> None:
    with refused(StatusCode.NOT_FOUND):
        await think(await house.person(), answer.id, GOOD)
