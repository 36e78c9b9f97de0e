"""What is Anthropic's alone among the makers: the official SDK against a stand-in, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_FAILED, Message
from llmchat.messages.v1.messages_service_pb2 import GetMessageRequest, SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from tests.integration.conftest import Person, open_house
from tests.integration.watching import Seen, watch
from tests.standins.anthropic_server import StandInAnthropic
from tests.standins.provider_server import Reply, Then, serve

MODEL = "claude-3.5-haiku"
KEY = "a-key-that-nobody-else-sees"
# The SDK says of old models that they are.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")


@pytest.fixture
async def server() -> AsyncIterator[StandInAnthropic]:
    async with serve(StandInAnthropic()) as stand_in:
        yield stand_in


@pytest.fixture
async def anna(server: StandInAnthropic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Person]:
    """Somebody in a house whose Anthropic is the stand-in."""
    monkeypatch.setenv("LLMCHAT_ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("LLMCHAT_ANTHROPIC_BASE_URL", server.base_url)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.setenv(name, "from-the-environment")
    async with open_house(tmp_path / "data") as house:
        yield await house.person()


async def new_thread(person: Person) -> str:
    # A title of its own: none is asked of the model.
    return (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id


async def ask(person: Person, thread_id: str, text: str, **fields: Any) -> Seen:
    request = SendMessageRequest(thread_id=thread_id, model_id=MODEL, content=text, **fields)
    return await watch(person.messages.SendMessage(request))


async def stored(person: Person, seen: Seen) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=seen.message_id))


class TestPrompts:
    async def test_what_is_sent(self, anna: Person, server: StandInAnthropic) -> None:
        server.replies += [Reply(["ok"])] * 2
        thread_id = await new_thread(anna)
        await ask(anna, thread_id, "First?", system_prompt="Be brief.", temperature=0.4)
        await ask(anna, thread_id, "Second?", system_prompt="Be brief.", temperature=0)
        for request, temperature in zip(server.requests, (0.4, 0), strict=True):
            assert (request["model"], request["stream"]) == ("claude-3-5-haiku-20241022", True)
            assert request["max_tokens"] == 8192, "what the model may answer: the API wants a limit"
            assert request["system"] == "Be brief."
            assert request["temperature"] == pytest.approx(temperature), "within 0..1, as it is stored"
        assert {headers["anthropic-version"] for headers in server.headers} == {"2023-06-01"}, "takes temperatures"
        assert server.keys == [KEY, KEY]
        assert "from-the-environment" not in str(server.headers)

    async def test_questions_whose_answers_failed_are_one_turn_with_the_next(
        self, anna: Person, server: StandInAnthropic
    ) -> None:
        server.replies += [Reply(status=400, error="invalid_request_error"), Reply(["\n"]), Reply(["ok"])]
        thread_id = await new_thread(anna)
        for text in ("First?", "Second?", "Third?"):
            await ask(anna, thread_id, text)
        assert server.said(server.requests[-1]) == [("user", "First?\n\nSecond?\n\nThird?")]

    async def test_a_history_that_was_cut_begins_with_a_question(self, anna: Person, server: StandInAnthropic) -> None:
        # Claude takes 200,000 tokens, of which it may need 8,192 to answer; these are 25,000 tokens each.
        texts = [f"{number:02}" + "y" * 99_998 for number in range(8)]
        server.replies.extend(Reply([f"answer {number}"]) for number in range(8))
        thread_id = await new_thread(anna)
        for text in texts:
            await ask(anna, thread_id, text)
        turns = server.said(server.requests[-1])
        assert [text[:2] for role, text in turns if role == "user"] == ["01", "02", "03", "04", "05", "06", "07"]
        assert [role for role, _ in turns] == ["user", "assistant"] * 6 + ["user"]


class TestFailures:
    async def test_the_error_in_the_middle_says_what_it_is(self, anna: Person, server: StandInAnthropic) -> None:
        server.replies.append(Reply(["half "], Then.OVERLOADED))
        message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "OVERLOADED")
        assert (message.tokens.text, message.error.retry_count) == ("half ", 0)

    async def test_one_before_the_first_piece_is_tried_again(self, anna: Person, server: StandInAnthropic) -> None:
        server.replies += [Reply([], Then.OVERLOADED), Reply(["well"])]
        assert (await ask(anna, await new_thread(anna), "hello")).text == "well"

    async def test_what_a_refused_answer_took_is_counted(self, anna: Person, server: StandInAnthropic) -> None:
        server.replies.append(Reply(["I "], Then.REFUSED, input_tokens=9, output_tokens=3))
        message = await stored(anna, await ask(anna, await new_thread(anna), "hello"))
        assert (message.error.code, message.input_tokens, message.total_tokens) == ("REFUSED", 9, 3)
