"""What is OpenAI's alone among the makers: the official SDK against a stand-in, over real HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    GetMessageRequest,
    SendMessageRequest,
)
from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemFeatures
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.access.initial_config import DEFAULT_TEMPERATURE
from tests.integration.accounts import administrator
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

ANSWERS = Path(__file__).parents[1] / "data" / "conversations" / "mt_bench-answers-gpt-4.jsonl"
MODEL = "gpt-4.1"
KEY = "a-key-that-nobody-else-sees"


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """One whose OpenAI is the stand-in."""
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


async def new_thread(person: Person) -> str:
    # A title of its own: none is asked of the model.
    return (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id


async def ask(person: Person, thread_id: str, text: str, **fields: Any) -> Seen:
    request = SendMessageRequest(thread_id=thread_id, model_id=MODEL, content=text, **fields)
    return await watch(person.messages.SendMessage(request))


async def stored(person: Person, seen: Seen) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=seen.message_id))


class TestAnswers:
    async def test_gpt_4s_answers_in_parts_cut_anywhere(self, anna: Person, openai: StandInOpenAI) -> None:
        dice = random.Random(4)  # noqa: S311 # where to cut
        answers = [json.loads(line)["choices"][0]["turns"] for line in ANSWERS.read_text("utf-8").splitlines()]
        assert len(answers) == 30
        for first, second in answers:
            thread_id = await new_thread(anna)
            for text in (first, second):
                size = dice.randint(5, 40)
                pieces = [text[at : at + size] for at in range(0, len(text), size)]
                openai.replies.append(Reply(pieces, cuts=[dice.randint(1, 400) for _ in range(50)]))
                seen = await ask(anna, thread_id, "?")
                assert seen.tokens == pieces
                message = await stored(anna, seen)
                assert message.status == MESSAGE_STATUS_COMPLETE
                assert message.tokens.text.encode() == text.encode()

    async def test_an_answer_is_cut_at_ten_thousand_tokens(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(["x "] * 10_001))
        seen = await ask(anna, await new_thread(anna), "go on")
        message = await stored(anna, seen)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "TOO_MANY_TOKENS")
        assert seen.tokens == tokens_of(message) == ["x "] * 10_000


class TestPrompts:
    async def test_what_is_sent(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies += [Reply(["A first", " answer."]), Reply(["A second."])]
        thread_id = await new_thread(anna)
        await ask(anna, thread_id, "First?", system_prompt="Be brief.", temperature=0.4)
        await ask(anna, thread_id, "Second?")

        first, second = openai.requests
        assert openai.keys == [KEY] * 2
        assert (first["model"], first["stream"]) == (MODEL, True)
        assert first["stream_options"] == {"include_usage": True}
        assert first["temperature"] == pytest.approx(0.8), "stored within 0..1, OpenAI's range is 0..2"
        assert second["temperature"] == pytest.approx(DEFAULT_TEMPERATURE * 2), "the system's default"
        assert openai.turns(first) == [("system", "Be brief."), ("user", "First?")]
        assert openai.said(second) == [("user", "First?"), ("assistant", "A first answer."), ("user", "Second?")]

    async def test_another_models_messages_are_not_its_history(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(["Fine."]))
        thread_id = await new_thread(anna)
        await watch(
            anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content="to echo"))
        )
        await ask(anna, thread_id, "to GPT")
        assert openai.said(openai.requests[0]) == [("user", "to GPT")]

    async def test_a_long_history_is_cut_to_the_models_context(
        self, house: House, anna: Person, openai: StandInOpenAI
    ) -> None:
        async with administrator(house) as root:
            off = SystemConfig(features=SystemFeatures(streaming=True))
            mask = FieldMask(paths=["features"])
            await root.operations.UpdateSystemConfig(UpdateSystemConfigRequest(system_config=off, update_mask=mask))
        # GPT-5 takes 400,000 tokens, of which it may need 128,000 to answer; these are 25,000 tokens each.
        texts = [f"{number:02}" + "y" * 99_998 for number in range(13)]
        openai.replies.extend(Reply(["ok"]) for _ in texts)
        thread_id = await new_thread(anna)
        for text in texts:
            request = SendMessageRequest(thread_id=thread_id, model_id="gpt-5", content=text)
            seen = await watch(anna.messages.SendMessage(request))

        history = openai.said(openai.requests[-1])
        sent = [text for role, text in history if role == "user"]
        assert sent == texts[-10:], "the newest that fit, in their order, the question last"
        estimate = sum(-(-len(text) // 4) for _, text in history)
        assert estimate <= 272_000 < estimate + 25_100
        assert (await stored(anna, seen)).context_tokens <= 272_000


class TestWaiting:
    async def test_until_the_last_of_the_limits_is_restored(self, anna: Person, openai: StandInOpenAI) -> None:
        resets = {"x-ratelimit-reset-requests": "20ms", "x-ratelimit-reset-tokens": "6m0s"}
        openai.replies.append(Reply(status=429, error="rate_limit_exceeded", headers=resets))
        message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
        assert (message.error.code, message.error.details["retry_after"]) == ("RATE_LIMITED", 360)

    async def test_for_nothing_where_nothing_is_left_to_pay_with(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(status=429, error="insufficient_quota", headers={"retry-after": "1"}))
        message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "RATE_LIMITED")
        assert not message.error.HasField("details")
        assert len(openai.requests) == 1


async def test_without_any_key_an_answer_says_what_is_missing(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        person = await house.person()
        message = await stored(person, await ask(person, await new_thread(person), "hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_KEY_MISSING")
        assert "SetProviderKey" in message.error.message


async def test_what_only_the_model_is_refused_for_is_not_the_keys_fault(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(status=403, error="model_not_found"))
    message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
    assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_ERROR")
