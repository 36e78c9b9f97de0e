"""Answers of an OpenAI-compatible server: the official SDK against a stand-in, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import random
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    CancelGenerationRequest,
    GetMessageRequest,
    SendMessageRequest,
)
from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemFeatures
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.access.initial_config import DEFAULT_SYSTEM_PROMPT, DEFAULT_TEMPERATURE
from tests.integration.accounts import administrator
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply, Then

ANSWERS = Path(__file__).parents[1] / "data" / "conversations" / "mt_bench-answers-gpt-4.jsonl"
MODEL = "gpt-4.1"
KEY = "a-key-that-nobody-else-sees"
# Emoji with joiners and skin tones, combining marks, right-to-left, scripts beyond the BMP, and line separators that
# some line splitters stumble over.
SCRIPTS = "👩‍🚀👍🏽🏳️‍🌈 e\u0301a\u0308\u20dd नमस्ते שלום 你好 𝕏𝒹𒀀 \u2028\u2029\x85\x0b\x0c\x1e “—” end"
# A model may say what a person may not.
ASKED = "".join(character for character in SCRIPTS if unicodedata.category(character) != "Cc")

SYSTEM = ("system", DEFAULT_SYSTEM_PROMPT)


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
def patience() -> str:
    """Seconds that the server may be silent."""
    return "60"


@pytest.fixture
async def house(
    openai: StandInOpenAI, patience: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """One whose OpenAI is the stand-in."""
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    monkeypatch.setenv("LLMCHAT_PROVIDER_TIMEOUT", patience)
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

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    async def test_parts_cut_inside_characters_and_lines(self, anna: Person, openai: StandInOpenAI, size: int) -> None:
        pieces = ["", *SCRIPTS, "", SCRIPTS, ""]
        openai.replies.append(Reply(pieces, cuts=[size]))
        seen = await ask(anna, await new_thread(anna), ASKED)
        assert seen.tokens == [piece for piece in pieces if piece]
        message = await stored(anna, seen)
        assert tokens_of(message) == seen.tokens
        assert message.tokens.text == SCRIPTS * 2
        assert openai.turns(openai.requests[0]) == [SYSTEM, ("user", ASKED)]

    async def test_the_providers_own_count_is_kept(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(["one ", "piece"], input_tokens=11, output_tokens=7))
        assert (await stored(anna, await ask(anna, await new_thread(anna), "hello"))).total_tokens == 7

    async def test_an_answer_of_nothing_is_complete(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply([]))
        seen = await ask(anna, await new_thread(anna), "hello")
        assert (seen.tokens, (await stored(anna, seen)).status) == ([], MESSAGE_STATUS_COMPLETE)

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
        said = [("user", "First?"), ("assistant", "A first answer."), ("user", "Second?")]
        assert openai.turns(second) == [SYSTEM, *said]

    async def test_another_models_messages_are_not_its_history(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(["Fine."]))
        thread_id = await new_thread(anna)
        await watch(
            anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content="to echo"))
        )
        await ask(anna, thread_id, "to GPT")
        assert openai.turns(openai.requests[0]) == [SYSTEM, ("user", "to GPT")]

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

        history = openai.turns(openai.requests[-1])
        sent = [text for role, text in history if role == "user"]
        assert sent == texts[-10:], "the newest that fit, in their order, the question last"
        estimate = sum(-(-len(text) // 4) for _, text in history)
        assert estimate <= 272_000 < estimate + 25_100
        assert (await stored(anna, seen)).context_tokens <= 272_000


PARTIAL = ["half ", "an ", "answer"]


class TestFailures:
    @pytest.fixture
    def patience(self) -> str:
        return "1"

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            (Reply(status=400, error="context_length_exceeded"), "CONTEXT_TOO_LONG"),
            (Reply(status=400, error="content_policy_violation"), "REFUSED"),
            (Reply(status=400), "PROVIDER_ERROR"),
            (Reply(status=401, error="invalid_api_key"), "AUTHENTICATION"),
            (Reply(status=403), "AUTHENTICATION"),
            (Reply(status=404, error="model_not_found"), "PROVIDER_ERROR"),
            (Reply(status=429, error="rate_limit_exceeded"), "RATE_LIMITED"),
            (Reply(status=500), "OVERLOADED"),
            (Reply(status=503), "OVERLOADED"),
            (Reply(PARTIAL, Then.ERROR), "PROVIDER_ERROR"),
            (Reply(PARTIAL, Then.CUT), "PROVIDER_ERROR"),
            (Reply(PARTIAL, Then.NOTHING), "PROVIDER_ERROR"),
            (Reply(PARTIAL, Then.SILENCE), "TIMEOUT"),
            (Reply(PARTIAL, Then.REFUSED), "REFUSED"),
        ],
        ids=lambda value: f"{value.status}-{value.then.name}" if isinstance(value, Reply) else value,
    )
    async def test_each_has_its_code_and_keeps_what_came(
        self, anna: Person, openai: StandInOpenAI, reply: Reply, code: str
    ) -> None:
        openai.replies.append(reply)
        thread_id = await new_thread(anna)
        seen = await ask(anna, thread_id, "hello")
        message = await stored(anna, seen)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, code)
        assert message.error.message
        assert KEY not in str(message.error)
        assert seen.tokens == tokens_of(message) == list(reply.pieces)
        assert len(openai.requests) == 1, "never tried again: a second answer would be spliced to the first"

        openai.replies.append(Reply(["better"]))
        assert (await ask(anna, thread_id, "again")).text == "better"

    async def test_a_server_that_is_not_there(self, anna: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(status=500))
        await ask(anna, thread_id := await new_thread(anna), "is anybody there?")
        await openai.stop()
        message = await stored(anna, await ask(anna, thread_id, "and now?"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "OVERLOADED")


async def test_a_cancelled_answer_closes_the_connection_upstream(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(PARTIAL, Then.SILENCE))
    request = SendMessageRequest(thread_id=await new_thread(anna), model_id=MODEL, content="talk")
    stream = anna.messages.SendMessage(request)
    seen = await watch(stream, until=len(PARTIAL))
    assert not openai.left.is_set()

    ended = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))
    assert ended.status == MESSAGE_STATUS_CANCELLED
    assert tokens_of(ended) == seen.tokens == PARTIAL
    async with asyncio.timeout(5):
        await openai.left.wait()
        await watch(stream, seen)
    assert seen.ended is not None
    assert seen.ended.status == MESSAGE_STATUS_CANCELLED


async def test_without_any_key_an_answer_says_what_is_missing(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        person = await house.person()
        message = await stored(person, await ask(person, await new_thread(person), "hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_KEY_MISSING")
        assert "SetProviderKey" in message.error.message


async def test_a_model_that_no_provider_serves_is_refused(anna: Person) -> None:
    thread_id = await new_thread(anna)
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await watch(
            anna.messages.SendMessage(
                SendMessageRequest(thread_id=thread_id, model_id="claude-3.5-sonnet", content="hello")
            )
        )
    assert refusal.error.reason == "MODEL_UNAVAILABLE"


async def test_what_only_the_model_is_refused_for_is_not_the_keys_fault(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(status=403, error="model_not_found"))
    message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
    assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_ERROR")
