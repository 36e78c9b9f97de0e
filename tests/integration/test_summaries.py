"""What a model's context has no room for is summed up, and the summary stands in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, UpsertModelRequest
from llmchat.messages.stored.v1.stream_pb2 import Summary
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, Message
from llmchat.messages.v1.messages_service_pb2 import DeleteMessageRequest, SummarizeRequest, SummarizeResponse
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, OPERATION_TYPE_SUMMARIZE, Operation
from llmchat.operations.v1.operations_service_pb2 import (
    CreateOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    UpdateSystemConfigRequest,
)
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemFeatures
from llmchat.threads.v1.thread_pb2 import ModelUsage
from llmchat.threads.v1.threads_service_pb2 import DeleteThreadRequest, GetThreadRequest
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.common.access.initial_config import DEFAULT_SYSTEM_PROMPT
from libs.common.store.port import Query
from services.messages.collections import SUMMARIES
from tests.integration.accounts import account, administrator
from tests.integration.branching import ask, edit, new_thread
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

# Takes 8,000 tokens, of which it may need 1,000 to answer.
MODEL = "small"
ROOM = 7000
SUMMARY = "They counted together, and none was left out."
# With the words that number it, about 700 tokens.
FILLER = " and so on" * 280
# Nine questions of that size and their answers fit, ten do not.
FITTING = 9


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """One whose OpenAI is the stand-in, with a small model of OpenAI's and a small one that echoes."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    async with administrator(house) as root:
        for like, id in (("gpt-4.1", MODEL), ("echo", "small-echo")):
            model = await root.catalog.GetModel(GetModelRequest(id=like))
            model.id, model.model_version, model.etag = id, "", ""
            model.specs.context_length, model.specs.max_output_tokens = 8000, 1000
            await root.catalog.UpsertModel(UpsertModelRequest(model=model))
        yield root


@pytest.fixture
async def ada(house: House, root: Person) -> Person:
    """Somebody who talks with the small models."""
    return await account(house)


def question(number: int) -> str:
    return f"Question {number}." + FILLER


class Talk:
    """A conversation with the small model, whose answers are numbered as the questions are."""

    def __init__(self, person: Person, openai: StandInOpenAI, thread_id: str) -> None:
        self.person = person
        self.openai = openai
        self.thread_id = thread_id
        self.asked = 0
        # Which of all requests the last question was.
        self.last = 0

    async def say(self, times: int = 1, *, then: str = "", **reply: Any) -> Message:
        """Asks so often; `then` is the summary that the model makes afterwards."""
        for _ in range(times):
            self.asked += 1
            self.last = len(self.openai.requests)
            self.openai.replies.append(Reply([f"Answer {self.asked}."], **reply))
            if then:
                self.openai.replies.append(Reply([then]))
            answer = await ask(self.person, self.thread_id, question(self.asked), model_id=MODEL)
            assert answer.status == MESSAGE_STATUS_COMPLETE
        return answer

    async def outgrow(self, summary: str = SUMMARY) -> ModelUsage:
        """Says more than fits, and waits for the summary."""
        await self.say(FITTING)
        await self.say(then=summary)
        return await self.summed_up()

    async def summed_up(self, than: str = "") -> ModelUsage:
        """What the thread says of the model, once it has another summary than that."""
        return await eventually(self.usage, lambda usage: usage.summary not in ("", than))

    async def usage(self) -> ModelUsage:
        thread = await self.person.threads.GetThread(GetThreadRequest(id=self.thread_id))
        return thread.models[MODEL]

    def system(self) -> str:
        """The system's words with which the last question was asked."""
        [(role, text), *_] = self.openai.turns(self.openai.requests[self.last])
        assert role == "system"
        return text

    def numbers(self) -> list[str]:
        """What was repeated to the model with the last question, and that itself: `Question 1`, `Answer 1`, …"""
        turns = self.openai.turns(self.openai.requests[self.last])
        return [text.split(".", 1)[0] for role, text in turns if role != "system"]

    async def operations(self) -> list[Operation]:
        listed = await self.person.operations.ListOperations(ListOperationsRequest(thread_id=self.thread_id))
        return [one for one in listed.operations if one.type == OPERATION_TYPE_SUMMARIZE]


@pytest.fixture
async def talk(ada: Person, openai: StandInOpenAI) -> Talk:
    return Talk(ada, openai, await new_thread(ada))


def said(first: int, last: int) -> list[str]:
    """From one question to another, with the answers in between."""
    return [f"{kind} {n}" for n in range(first, last + 1) for kind in ("Question", "Answer")][:-1]


async def switch(root: Person, *, summarization: bool) -> None:
    config = SystemConfig(features=SystemFeatures(summarization=summarization))
    mask = FieldMask(paths=["features.summarization"])
    await root.operations.UpdateSystemConfig(UpdateSystemConfigRequest(system_config=config, update_mask=mask))


async def kept(house: House) -> list[Summary]:
    return await (await documents_of(house, "messages")).query(Query.by_id(SUMMARIES))


async def summarize(house: House, talk: Talk, until_position: int) -> SummarizeResponse:
    """As the operations service asks for it."""
    token, _ = house.process.tokens.issue_service("operations", talk.person.user_id, False)
    async with aio.insecure_channel(house.address) as channel:
        request = SummarizeRequest(thread_id=talk.thread_id, model_id=MODEL, until_position=until_position)
        metadata = (("authorization", f"Bearer {token}"),)
        return await MessagesServiceStub(channel).Summarize(request, metadata=metadata)


async def test_what_fits_is_sent_as_it_was_said(talk: Talk, house: House) -> None:
    await talk.say(FITTING)

    assert talk.numbers() == said(1, FITTING)
    assert talk.system() == DEFAULT_SYSTEM_PROMPT
    assert (await kept(house), await talk.operations()) == ([], [])


async def test_a_thread_that_outgrows_the_context_is_summed_up(talk: Talk, openai: StandInOpenAI) -> None:
    usage = await talk.outgrow()

    assert usage.summary == SUMMARY
    assert usage.summary_tokens == -(-len(SUMMARY) // 4)
    assert usage.HasField("summary_updated_at")
    [operation] = await talk.operations()
    operation = await eventually(
        lambda: talk.person.operations.GetOperation(GetOperationRequest(id=operation.id)),
        lambda operation: operation.status == OPERATION_STATUS_COMPLETED,
    )
    assert (operation.result.summary, operation.result.model_used) == (SUMMARY, MODEL)

    # The question that outgrew it was still asked with as much as fits; the summary is of the older half.
    assert talk.numbers() == ["Answer 1", *said(2, FITTING + 1)]
    [(_, instruction), (_, material)] = openai.turns(openai.requests[-1])
    assert "sum up" in instruction
    assert "Question 1." in material
    assert "Answer 5." in material
    assert "Question 7." not in material


async def test_the_next_question_is_asked_with_the_summary_and_what_came_after_it(talk: Talk) -> None:
    await talk.outgrow()

    answer = await talk.say()

    assert talk.system() == f"{DEFAULT_SYSTEM_PROMPT}\n\nWhat was said before, summed up:\n{SUMMARY}"
    recent = talk.numbers()
    assert recent[-1] == f"Question {FITTING + 2}"
    assert recent == [one for one in [*said(1, FITTING + 2)] if one in recent], "in their order, without a gap"
    assert "Question 2" not in recent
    assert "Question 7" in recent
    assert answer.context_tokens <= ROOM
    assert answer.system_prompt == DEFAULT_SYSTEM_PROMPT, "what is stored is what was asked for"


async def test_a_summary_is_made_anew_of_the_former_one_and_what_came_since(
    talk: Talk, house: House, openai: StandInOpenAI
) -> None:
    await talk.outgrow("The first summary.")
    [first] = await kept(house)
    last = first
    while last.wanted_position == first.wanted_position:
        # One that is not needed: whether it is, is stored with the answer's end.
        openai.replies.clear()
        await talk.say(then="The second summary.")
        assert "The first summary." in talk.system()
        [last] = await kept(house)

    usage = await talk.summed_up(than="The first summary.")

    assert usage.summary == "The second summary."
    assert talk.asked > FITTING + 4, "half of the context is summed up at a time"
    [_, (_, material)] = openai.turns(openai.requests[-1])
    assert material.startswith("The summary so far:\nThe first summary.")
    assert "Question 1." not in material
    await talk.say()
    assert "The second summary." in talk.system()


async def test_repeated_it_has_no_second_effect(talk: Talk, house: House, openai: StandInOpenAI) -> None:
    await talk.outgrow()
    [before] = await kept(house)
    requests = len(openai.requests)

    again = [await summarize(house, talk, before.until_position) for _ in range(2)]

    assert [one.summary for one in again] == [SUMMARY] * 2
    assert await kept(house) == [before]
    assert len(openai.requests) == requests


async def test_it_is_off_where_the_system_has_it_so(talk: Talk, house: House, root: Person) -> None:
    await switch(root, summarization=False)
    await talk.say(FITTING + 2)

    assert talk.numbers() == ["Answer 2", *said(3, FITTING + 2)]
    assert talk.system() == DEFAULT_SYSTEM_PROMPT
    assert (await kept(house), await talk.operations()) == ([], [])
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await summarize(house, talk, 0)
    assert refusal.error.reason == "FEATURE_OFF"


async def test_switched_off_later_what_was_summed_up_is_not_told(talk: Talk, root: Person) -> None:
    await talk.outgrow()
    await switch(root, summarization=False)
    await talk.say()

    assert talk.system() == DEFAULT_SYSTEM_PROMPT


async def test_a_person_may_have_a_thread_summed_up(talk: Talk, openai: StandInOpenAI) -> None:
    await talk.say(2)
    openai.replies.append(Reply([SUMMARY], input_tokens=70, output_tokens=10))
    request = CreateOperationRequest(type=OPERATION_TYPE_SUMMARIZE, thread_id=talk.thread_id, model_id=MODEL)
    operation = await talk.person.operations.CreateOperation(request)

    assert (await talk.summed_up()).summary == SUMMARY
    [_, (_, material)] = openai.turns(openai.requests[-1])
    assert all(words in material for words in ("Question 1.", "Answer 2."))
    ended = await eventually(
        lambda: talk.person.operations.GetOperation(GetOperationRequest(id=operation.id)),
        lambda operation: operation.status == OPERATION_STATUS_COMPLETED,
    )
    assert ended.result.tokens_used == 80

    await talk.say()
    assert talk.system() == DEFAULT_SYSTEM_PROMPT, "all of it fits"


async def test_what_is_too_much_for_one_call_is_summed_up_in_several(talk: Talk, openai: StandInOpenAI) -> None:
    openai.replies += [Reply(["Well."]), *(Reply([f"Up to part {part}."]) for part in (1, 2))]
    await ask(talk.person, talk.thread_id, "Beginning." + " word" * 4200 + " End.", model_id=MODEL)
    request = CreateOperationRequest(type=OPERATION_TYPE_SUMMARIZE, thread_id=talk.thread_id, model_id=MODEL)
    await talk.person.operations.CreateOperation(request)

    assert (await talk.summed_up()).summary == "Up to part 2."
    [_, (_, first)], [_, (_, second)] = map(openai.turns, openai.requests[1:])
    assert "Beginning." in first
    assert "End." not in first
    assert second.startswith("The summary so far:\nUp to part 1.")
    assert "End." in second
    assert "Well." in second
    assert all(len(one) // 4 < ROOM for one in (first, second))


async def test_a_summary_that_is_too_long_is_cut_between_sentences(talk: Talk) -> None:
    usage = await talk.outgrow("This is a sentence of forty characters. " * 100)

    assert len(usage.summary) == 70 * 40 - 1
    assert usage.summary.endswith("characters.")
    assert usage.summary_tokens == 700


async def test_a_model_that_makes_none_has_them_made_of_its_own_words(ada: Person) -> None:
    thread_id = await new_thread(ada)
    for number in range(1, 8):
        await ask(ada, thread_id, question(number), model_id="small-echo")

    async def usage() -> ModelUsage:
        return (await ada.threads.GetThread(GetThreadRequest(id=thread_id))).models["small-echo"]

    found = await eventually(usage, lambda usage: usage.summary)
    assert found.summary.splitlines()[:4] == ["Question 1.", "Question 1.", "Question 2.", "Question 2."]


async def test_a_branch_that_left_before_is_not_told_of_what_came_after(talk: Talk, openai: StandInOpenAI) -> None:
    first = await talk.say()
    await talk.say(FITTING - 1)
    await talk.say(then=SUMMARY)
    await talk.summed_up()

    openai.replies.append(Reply(["Elsewhere."]))
    talk.last = len(openai.requests)
    await edit(talk.person, first.question_id, "Question 0. Something else.")

    assert talk.system() == DEFAULT_SYSTEM_PROMPT
    assert talk.numbers() == ["Question 0"]


async def test_what_was_deleted_is_in_no_summary(talk: Talk, house: House) -> None:
    await talk.say(2)
    third = await talk.say()
    await talk.say(FITTING - 3)
    await talk.say(then=SUMMARY)
    await talk.summed_up()

    await talk.person.messages.DeleteMessage(DeleteMessageRequest(id=third.id))

    assert await kept(house) == []
    await eventually(talk.usage, lambda usage: not usage.summary and not usage.HasField("summary_tokens"))
    await talk.say()
    assert talk.system() == DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize("what", ["the thread", "the person"])
async def test_a_summary_goes_with_what_it_is_of(talk: Talk, house: House, what: str) -> None:
    await talk.outgrow()
    assert [one.user_id for one in await kept(house)] == [talk.person.user_id]

    if what == "the thread":
        await talk.person.threads.DeleteThread(DeleteThreadRequest(id=talk.thread_id))
    else:
        await talk.person.users.DeleteUser(DeleteUserRequest(id="me"))

    await eventually(lambda: kept(house), lambda summaries: not summaries)


async def test_sizes_are_put_right_by_what_the_provider_counted(talk: Talk) -> None:
    """Each context is twice as large as four characters a token make it: half as much fits."""
    estimate = 0
    for _ in range(4):
        answer = await talk.say(input_tokens=2 * (estimate + 719), output_tokens=3)
        assert answer.estimated_tokens - estimate in range(710, 720)
        estimate = answer.estimated_tokens
    assert talk.numbers() == said(1, 4)

    await talk.say(then=SUMMARY)

    assert talk.numbers() == ["Answer 1", *said(2, 5)]
    assert (await talk.summed_up()).summary == SUMMARY
