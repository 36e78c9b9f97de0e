"""What every maker's provider does alike, through the whole house: its SDK against a stand-in, over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
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
    StreamEvent,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI, KeyProvider

from tests.integration.accounts import account
from tests.integration.conftest import House, Person, open_house
from tests.integration.provider_keys import store
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.openai_server import StandInOpenAI
from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, serve

INSTALLATIONS = "a-key-that-nobody-else-sees"
OWN = "sk-canary-of-ones-own" + "a" * 40
# Emoji with joiners and skin tones, combining marks, right-to-left, scripts beyond the BMP, and line separators that
# some line splitters stumble over.
SCRIPTS = "👩‍🚀👍🏽🏳️‍🌈 e\u0301a\u0308\u20dd नमस्ते שלום 你好 𝕏𝒹𒀀 \u2028\u2029\x85\x0b\x0c\x1e “—” end"
# A model may say what a person may not.
ASKED = "".join(character for character in SCRIPTS if unicodedata.category(character) != "Cc")
PARTIAL = ["half ", "an ", "answer"]


@dataclass(frozen=True)
class Refusal:
    """A maker's error before the first piece, and what becomes of it."""

    status: int
    error: str
    code: str


@dataclass(frozen=True)
class Maker:
    """A maker: its name in the settings, its stand-in, a model of its, whose keys it takes, how it refuses."""

    name: str
    stand_in: type[StandInProvider]
    model: str
    keys: KeyProvider | None
    refusals: tuple[Refusal, ...]


MAKERS = (
    Maker(
        "openai",
        StandInOpenAI,
        "gpt-4.1",
        KEY_PROVIDER_OPENAI,
        (
            Refusal(400, "context_length_exceeded", "CONTEXT_TOO_LONG"),
            Refusal(400, "content_policy_violation", "REFUSED"),
            Refusal(400, "", "PROVIDER_ERROR"),
            Refusal(401, "invalid_api_key", "AUTHENTICATION"),
            Refusal(403, "", "AUTHENTICATION"),
            Refusal(403, "model_not_found", "PROVIDER_ERROR"),
            Refusal(404, "model_not_found", "PROVIDER_ERROR"),
            Refusal(429, "rate_limit_exceeded", "RATE_LIMITED"),
            Refusal(500, "", "OVERLOADED"),
            Refusal(503, "", "OVERLOADED"),
        ),
    ),
)
KEYED = [maker for maker in MAKERS if maker.keys is not None]
REFUSALS = [
    pytest.param(maker, refusal, id=f"{maker.name}-{refusal.status}-{refusal.error}")
    for maker in MAKERS
    for refusal in maker.refusals
]


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.name)
def maker(request: pytest.FixtureRequest) -> Maker:
    assert isinstance(request.param, Maker)
    return request.param


@pytest.fixture
async def server(maker: Maker) -> AsyncIterator[StandInProvider]:
    async with serve(maker.stand_in()) as stand_in:
        yield stand_in


@pytest.fixture
def settings() -> dict[str, str]:
    """Those of the messages service that differ, without their prefix."""
    return {}


@pytest.fixture
async def house(
    maker: Maker,
    server: StandInProvider,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    """A house whose maker is the stand-in, with a key of its own where the maker takes keys."""
    prefix = f"LLMCHAT_{maker.name.upper()}"
    monkeypatch.setenv(f"{prefix}_BASE_URL", server.base_url)
    if maker.keys is not None:
        monkeypatch.setenv(f"{prefix}_API_KEY", INSTALLATIONS)
    for name, value in settings.items():
        monkeypatch.setenv(f"LLMCHAT_{name}", value)
    async with open_house(tmp_path / "data") as house:
        yield house


class Conversation:
    """Somebody's thread with the maker's model."""

    def __init__(self, person: Person, maker: Maker, thread_id: str) -> None:
        self.person = person
        self._maker = maker
        self._thread_id = thread_id

    def send(self, text: str, **fields: Any) -> Any:
        """The stream of the answer's events."""
        return self.person.messages.SendMessage(
            SendMessageRequest(thread_id=self._thread_id, model_id=self._maker.model, content=text, **fields)
        )

    async def ask(self, text: str, **fields: Any) -> Seen:
        """What a viewer sees of the answer, to its end."""
        return await watch(self.send(text, **fields))

    async def stored(self, seen: Seen) -> Message:
        return await self.person.messages.GetMessage(GetMessageRequest(id=seen.message_id))

    async def cancel(self, seen: Seen) -> Message:
        return await self.person.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))


async def conversation(person: Person, maker: Maker) -> Conversation:
    # A title of its own: none is asked of the model.
    thread = await person.threads.CreateThread(CreateThreadRequest(title="t"))
    return Conversation(person, maker, thread.id)


@pytest.fixture
async def anna(house: House, maker: Maker) -> Conversation:
    return await conversation(await house.person(), maker)


class TestAnswers:
    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    async def test_parts_cut_inside_characters_and_lines(
        self, anna: Conversation, server: StandInProvider, size: int
    ) -> None:
        pieces = ["", *SCRIPTS, "", SCRIPTS, ""]
        server.replies.append(Reply(pieces, cuts=[size]))
        seen = await anna.ask(ASKED)
        assert seen.tokens == [piece for piece in pieces if piece]
        message = await anna.stored(seen)
        assert message.status == MESSAGE_STATUS_COMPLETE
        assert tokens_of(message) == seen.tokens
        assert message.tokens.text == SCRIPTS * 2
        assert server.turns(server.requests[0]) == [("user", ASKED)]

    async def test_calls_of_tools_are_no_part_of_the_text(self, anna: Conversation, server: StandInProvider) -> None:
        server.replies.append(Reply([ToolCall(), "before", ToolCall(), " and after", ToolCall()]))
        seen = await anna.ask("hello")
        assert seen.text == "before and after"
        assert (await anna.stored(seen)).status == MESSAGE_STATUS_COMPLETE

    async def test_an_answer_of_nothing_is_complete(self, anna: Conversation, server: StandInProvider) -> None:
        server.replies.append(Reply([]))
        seen = await anna.ask("hello")
        assert (seen.tokens, (await anna.stored(seen)).status) == ([], MESSAGE_STATUS_COMPLETE)

    async def test_one_that_is_as_long_as_it_may_be_is_complete(
        self, anna: Conversation, server: StandInProvider
    ) -> None:
        server.replies.append(Reply(PARTIAL, Then.LENGTH))
        seen = await anna.ask("go on")
        assert seen.tokens == PARTIAL
        assert (await anna.stored(seen)).status == MESSAGE_STATUS_COMPLETE

    async def test_what_was_said_before_goes_along(self, anna: Conversation, server: StandInProvider) -> None:
        server.replies += [Reply(["A first", " answer."]), Reply(["A second."])]
        await anna.ask("First?", system_prompt="Be brief.")
        await anna.ask("Second?")
        first, second = (server.turns(request) for request in server.requests)
        assert first == [("system", "Be brief."), ("user", "First?")]
        assert second == [("user", "First?"), ("assistant", "A first answer."), ("user", "Second?")]


class TestFailures:
    @pytest.mark.parametrize(
        ("then", "code"),
        [
            (Then.ERROR, "PROVIDER_ERROR"),
            (Then.CUT, "PROVIDER_ERROR"),
            (Then.NOTHING, "PROVIDER_ERROR"),
            (Then.REFUSED, "REFUSED"),
        ],
        ids=lambda value: value.name if isinstance(value, Then) else value,
    )
    async def test_in_the_middle_it_keeps_what_came(
        self, anna: Conversation, server: StandInProvider, then: Then, code: str
    ) -> None:
        server.replies += [Reply(PARTIAL, then), Reply(["better"])]
        seen = await anna.ask("hello")
        message = await anna.stored(seen)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, code)
        assert message.error.message
        assert seen.tokens == tokens_of(message) == PARTIAL
        assert len(server.requests) == 1, "never tried again: a second answer would be spliced to the first"
        assert (await anna.ask("again")).text == "better"

    @pytest.mark.parametrize(("maker", "refusal"), REFUSALS, indirect=["maker"])
    async def test_before_the_first_piece_it_has_its_code(
        self, anna: Conversation, server: StandInProvider, refusal: Refusal, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.replies += [Reply(status=refusal.status, error=refusal.error), Reply(["better"])]
        seen = await anna.ask("hello")
        message = await anna.stored(seen)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, refusal.code)
        assert message.error.message
        assert seen.tokens == []
        assert len(server.requests) == 1
        assert INSTALLATIONS not in str(message.error) + caplog.text
        assert (await anna.ask("again")).text == "better"


class TestSilence:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"PROVIDER_TIMEOUT": "1"}

    @pytest.mark.parametrize("pieces", [PARTIAL, []], ids=["in the middle", "from the beginning"])
    async def test_it_has_a_limit(self, anna: Conversation, server: StandInProvider, pieces: list[str]) -> None:
        server.replies.append(Reply(pieces, Then.SILENCE))
        seen = await anna.ask("hello")
        message = await anna.stored(seen)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "TIMEOUT")
        assert seen.tokens == tokens_of(message) == pieces
        assert len(server.requests) == 1
        async with asyncio.timeout(5):
            await server.left.wait()


class TestCancelled:
    async def test_in_the_middle_the_connection_upstream_is_closed(
        self, anna: Conversation, server: StandInProvider
    ) -> None:
        server.replies.append(Reply(PARTIAL, Then.SILENCE))
        stream = anna.send("talk")
        seen = await watch(stream, until=len(PARTIAL))
        assert not server.left.is_set()
        ended = await anna.cancel(seen)
        assert ended.status == MESSAGE_STATUS_CANCELLED
        assert tokens_of(ended) == seen.tokens == PARTIAL
        async with asyncio.timeout(5):
            await server.left.wait()
            await watch(stream, seen)
        assert seen.ended is not None
        assert seen.ended.status == MESSAGE_STATUS_CANCELLED

    @pytest.mark.parametrize("then", [Then.SILENCE, Then.UNANSWERED], ids=lambda then: then.name)
    async def test_so_it_is_before_the_first_piece(
        self, anna: Conversation, server: StandInProvider, then: Then
    ) -> None:
        server.replies.append(Reply([], then))
        stream = anna.send("talk")
        seen = await started(stream)
        async with asyncio.timeout(5):
            while not server.requests:
                await asyncio.sleep(0.01)
            assert (await anna.cancel(seen)).status == MESSAGE_STATUS_CANCELLED
            await server.left.wait()


async def test_whoever_lost_the_connection_resumes_where_they_were(anna: Conversation, server: StandInProvider) -> None:
    pieces, held = [f"piece {number} " for number in range(20)], [f"later {number} " for number in range(20)]
    server.replies.append(Reply(pieces, held=held, cuts=[7]))
    stream = anna.send("talk")
    seen = await watch(stream, until=13)
    stream.cancel()
    server.released.set()
    await watch(anna.person.messages.StreamTokens(seen.rest()), seen)
    assert seen.tokens == pieces + held
    assert tokens_of(await anna.stored(seen)) == seen.tokens
    assert not server.left.is_set(), "the answer went on meanwhile"


@pytest.mark.parametrize("maker", KEYED, ids=lambda maker: maker.name, indirect=True)
async def test_ones_own_key_before_the_installations(house: House, maker: Maker, server: StandInProvider) -> None:
    server.replies += [Reply(["ok"]), Reply(["ok"])]
    ada = await conversation(await account(house), maker)
    await ada.ask("hello")
    await store(ada.person, OWN, maker.keys)
    await ada.ask("hello")
    assert server.keys == [INSTALLATIONS, OWN]


async def started(stream: Any) -> Seen:
    """A viewer who has been told that the answer begins."""
    seen = Seen()
    event: StreamEvent = await stream.read()
    seen.take(event)
    assert seen.started is not None
    return seen
