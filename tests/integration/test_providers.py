"""What every maker's provider does alike, through the whole house: its SDK against a stand-in, over real HTTP."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.catalog.v1.model_config_pb2 import (
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    ModelProvider,
)
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    CancelGenerationRequest,
    CheckProviderRequest,
    GetMessageRequest,
    SendMessageRequest,
    StreamEvent,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider

from libs.common.access.initial_config import DEFAULT_SYSTEM_PROMPT
from services.catalog.collections import MODELS
from tests.integration.accounts import account
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.provider_keys import acting_for, store
from tests.integration.watching import Seen, tokens_of, watch
from tests.standins.anthropic_server import StandInAnthropic
from tests.standins.google_server import StandInGoogle
from tests.standins.ollama_server import StandInOllama
from tests.standins.openai_server import StandInOpenAI
from tests.standins.provider_server import Reply, StandInProvider, Then, ToolCall, serve

# The SDK says of old models that they are.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

INSTALLATIONS = "a-key-that-nobody-else-sees"
# Emoji with joiners and skin tones, combining marks, right-to-left, scripts beyond the BMP, and line separators that
# some line splitters stumble over.
SCRIPTS = "👩‍🚀👍🏽🏳️‍🌈 e\u0301a\u0308\u20dd नमस्ते שלום 你好 𝕏𝒹𒀀 \u2028\u2029\x85\x0b\x0c\x1e “—” end"
# A model may say what a person may not.
ASKED = "".join(character for character in SCRIPTS if unicodedata.category(character) != "Cc")
PARTIAL = ["half ", "an ", "answer"]
# What a model is told where nobody says anything else.
SYSTEM = ("system", DEFAULT_SYSTEM_PROMPT)


@dataclass(frozen=True)
class Refusal:
    """A maker's error before the first piece, and what becomes of it."""

    status: int
    error: str
    code: str


@dataclass(frozen=True)
class Maker:
    """A maker: its name in the settings, its stand-in, a model of its, what keys it takes and how it refuses; what it
    says where one has to `wait` so many seconds, if anything; and its SDK.
    """

    name: str
    stand_in: type[StandInProvider]
    model: str
    provider: ModelProvider
    keys: KeyProvider | None
    own_key: str
    refusals: tuple[Refusal, ...]
    wait: Callable[[int], Reply] | None
    sdk: str

    def overloaded(self) -> Reply:
        """What passes."""
        refusal = next(one for one in self.refusals if one.code == "OVERLOADED")
        return Reply(status=refusal.status, error=refusal.error)


MAKERS = (
    Maker(
        "openai",
        StandInOpenAI,
        "gpt-4.1",
        MODEL_PROVIDER_OPENAI,
        KEY_PROVIDER_OPENAI,
        "sk-proj-canary" + "o" * 40,
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
            Refusal(504, "", "TIMEOUT"),
        ),
        lambda seconds: Reply(status=429, headers={"x-ratelimit-reset-requests": f"{seconds}s"}),
        "openai",
    ),
    Maker(
        "anthropic",
        StandInAnthropic,
        "claude-4-sonnet",
        MODEL_PROVIDER_ANTHROPIC,
        KEY_PROVIDER_CLAUDE,
        "sk-ant-api03-canary" + "c" * 80,
        (
            Refusal(
                400, "invalid_request_error: prompt is too long: 208310 tokens > 200000 maximum", "CONTEXT_TOO_LONG"
            ),
            Refusal(
                400,
                "invalid_request_error: input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
                "CONTEXT_TOO_LONG",
            ),
            Refusal(400, "invalid_request_error", "PROVIDER_ERROR"),
            Refusal(401, "authentication_error", "AUTHENTICATION"),
            Refusal(402, "billing_error", "PROVIDER_ERROR"),
            Refusal(403, "permission_error", "PROVIDER_ERROR"),
            Refusal(404, "not_found_error", "PROVIDER_ERROR"),
            Refusal(413, "request_too_large", "CONTEXT_TOO_LONG"),
            Refusal(429, "rate_limit_error", "RATE_LIMITED"),
            Refusal(500, "api_error", "OVERLOADED"),
            Refusal(504, "timeout_error", "TIMEOUT"),
            Refusal(529, "overloaded_error", "OVERLOADED"),
        ),
        lambda seconds: Reply(status=429, error="rate_limit_error", headers={"retry-after": str(seconds)}),
        "anthropic",
    ),
    Maker(
        "google",
        StandInGoogle,
        "gemini-2.5-pro",
        MODEL_PROVIDER_GOOGLE,
        KEY_PROVIDER_GOOGLE,
        "AIzaCanary" + "g" * 29,
        (
            Refusal(
                400,
                "The input token count (1300000) exceeds the maximum number of tokens allowed (1048576).",
                "CONTEXT_TOO_LONG",
            ),
            Refusal(400, "API_KEY_INVALID", "AUTHENTICATION"),
            Refusal(400, "", "PROVIDER_ERROR"),
            Refusal(401, "", "AUTHENTICATION"),
            Refusal(403, "API_KEY_SERVICE_BLOCKED", "AUTHENTICATION"),
            Refusal(404, "", "PROVIDER_ERROR"),
            Refusal(429, "", "RATE_LIMITED"),
            Refusal(500, "", "OVERLOADED"),
            Refusal(503, "", "OVERLOADED"),
            Refusal(504, "", "TIMEOUT"),
        ),
        lambda seconds: Reply(status=429, headers={"Retry-After": str(seconds)}),
        "google.genai",
    ),
    Maker(
        "ollama",
        StandInOllama,
        "gemma2-2b-local",
        MODEL_PROVIDER_OLLAMA,
        None,
        "",
        (
            Refusal(400, "", "PROVIDER_ERROR"),
            Refusal(401, "", "AUTHENTICATION"),
            Refusal(404, "model 'gemma2:2b' not found", "MODEL_NOT_LOADED"),
            Refusal(404, "404 page not found", "PROVIDER_ERROR"),
            Refusal(413, "", "CONTEXT_TOO_LONG"),
            Refusal(429, "", "RATE_LIMITED"),
            Refusal(500, "model requires more system memory (3.4 GiB) than is available (1.1 GiB)", "OVERLOADED"),
            Refusal(503, "server busy, please try again.  maximum pending requests exceeded", "OVERLOADED"),
            Refusal(504, "", "TIMEOUT"),
        ),
        None,
        "ollama",
    ),
)
KEYED = [maker for maker in MAKERS if maker.keys is not None]
PATIENT = [maker for maker in MAKERS if maker.wait is not None]
REFUSALS = [
    pytest.param(maker, refusal, id=f"{maker.name}-{refusal.status}-{refusal.error[:50]}")
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
def address(server: StandInProvider) -> str:
    """Where the house believes the maker to be."""
    return server.base_url


@pytest.fixture
def settings() -> dict[str, str]:
    """Those of the messages service that differ, without their prefix."""
    return {}


@pytest.fixture
async def house(
    maker: Maker,
    address: str,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    """A house whose maker is the stand-in, with a key of its own where the maker takes keys."""
    prefix = f"LLMCHAT_{maker.name.upper()}"
    monkeypatch.setenv(f"{prefix}_BASE_URL", address)
    if maker.keys is not None:
        monkeypatch.setenv(f"{prefix}_API_KEY", INSTALLATIONS)
    for name, value in settings.items():
        monkeypatch.setenv(f"LLMCHAT_{name}", value)
    async with open_house(tmp_path / "data") as house:
        await make_available(house, maker)
        yield house


async def make_available(house: House, maker: Maker) -> None:
    """Whatever the maker says that it has at hand."""
    model = await (await documents_of(house, "catalog")).find(MODELS, maker.model)
    assert model is not None
    model.status.requires_loading = False
    model.status.is_available = True
    await plant(house, "catalog", MODELS, model)


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
        assert server.turns(server.requests[0]) == [SYSTEM, ("user", ASKED)]

    async def test_calls_of_tools_are_no_part_of_the_text(self, anna: Conversation, server: StandInProvider) -> None:
        server.replies.append(Reply([ToolCall(), "before", ToolCall(), " and after", ToolCall()]))
        seen = await anna.ask("hello")
        assert seen.text == "before and after"
        assert (await anna.stored(seen)).status == MESSAGE_STATUS_COMPLETE

    async def test_the_makers_own_count_is_kept(self, anna: Conversation, server: StandInProvider) -> None:
        server.replies.append(Reply(["one ", "piece"], input_tokens=11, output_tokens=7))
        message = await anna.stored(await anna.ask("hello"))
        assert (message.input_tokens, message.context_tokens, message.total_tokens) == (11, 11, 7)

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
        assert second == [SYSTEM, ("user", "First?"), ("assistant", "A first answer."), ("user", "Second?")]


class TestFailures:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"PROVIDER_RETRIES": "0"}

    @pytest.mark.parametrize("then", [Then.ERROR, Then.CUT, Then.NOTHING], ids=lambda then: then.name)
    async def test_in_the_middle_it_keeps_what_came(
        self, anna: Conversation, server: StandInProvider, then: Then
    ) -> None:
        await fails_in_the_middle(anna, server, then, "PROVIDER_ERROR")

    # What runs on one's own machine has no filter.
    @pytest.mark.parametrize("maker", KEYED, ids=lambda maker: maker.name, indirect=True)
    async def test_so_it_does_where_the_maker_refuses_to_go_on(
        self, anna: Conversation, server: StandInProvider
    ) -> None:
        await fails_in_the_middle(anna, server, Then.REFUSED, "REFUSED")

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


class TestAskedAgain:
    async def test_until_it_answers(self, anna: Conversation, server: StandInProvider, maker: Maker) -> None:
        server.replies += [maker.overloaded(), maker.overloaded(), Reply(["well"])]
        seen = await anna.ask("hello")
        message = await anna.stored(seen)
        assert (seen.text, message.status) == ("well", MESSAGE_STATUS_COMPLETE)
        assert server.requests[0] == server.requests[1] == server.requests[2]
        assert not message.HasField("error")

    async def test_twice_at_most(self, anna: Conversation, server: StandInProvider, maker: Maker) -> None:
        server.replies += [maker.overloaded()] * 3
        message = await anna.stored(await anna.ask("hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "OVERLOADED")
        assert (message.error.retry_count, len(server.requests)) == (2, 3)

    @pytest.mark.parametrize("maker", PATIENT, ids=lambda maker: maker.name, indirect=True)
    async def test_once_the_time_that_it_asks_for_is_over(
        self, anna: Conversation, server: StandInProvider, maker: Maker
    ) -> None:
        assert maker.wait is not None
        server.replies += [maker.wait(2), Reply(["well"])]
        begun = time.monotonic()
        assert (await anna.ask("hello")).text == "well"
        assert time.monotonic() - begun >= 2

    @pytest.mark.parametrize("maker", PATIENT, ids=lambda maker: maker.name, indirect=True)
    async def test_not_where_that_is_long_which_is_told(
        self, anna: Conversation, server: StandInProvider, maker: Maker
    ) -> None:
        assert maker.wait is not None
        server.replies.append(maker.wait(3600))
        message = await anna.stored(await anna.ask("hello"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "RATE_LIMITED")
        assert message.error.details["retry_after"] == 3600
        assert (message.error.retry_count, len(server.requests)) == (0, 1)

    @pytest.mark.parametrize("maker", PATIENT, ids=lambda maker: maker.name, indirect=True)
    async def test_not_once_it_is_cancelled(self, anna: Conversation, server: StandInProvider, maker: Maker) -> None:
        assert maker.wait is not None
        server.replies += [maker.wait(2), Reply(["for whom?"])]
        seen = await started(anna.send("hello"))
        while not server.requests:
            await asyncio.sleep(0.01)
        assert (await anna.cancel(seen)).status == MESSAGE_STATUS_CANCELLED
        await asyncio.sleep(2.5)
        assert len(server.requests) == 1


class TestUnreachable:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"PROVIDER_TIMEOUT": "1", "PROVIDER_RETRIES": "1"}

    @pytest.fixture(params=["refuses", "is deaf"])
    def address(self, request: pytest.FixtureRequest) -> Iterator[str]:
        """Of a port that takes no connections: at once, or by being full."""
        with ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            address = listener.getsockname()
            if request.param == "refuses":
                listener.close()
            for _ in range(3 if request.param == "is deaf" else 0):
                caller = stack.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(address)
            yield f"http://{address[0]}:{address[1]}"

    async def test_it_is_asked_again_then_told(self, anna: Conversation) -> None:
        message = await anna.stored(await anna.ask("is anybody there?"))
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "OVERLOADED")
        assert message.error.retry_count == 1


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
    await store(ada.person, maker.own_key, maker.keys)
    await ada.ask("hello")
    assert server.keys == [INSTALLATIONS, maker.own_key]


class TestChecks:
    async def test_one_that_answers_is_well(self, house: House, maker: Maker, server: StandInProvider) -> None:
        async with acting_for(house, await house.person(), "catalog") as catalog:
            health = await catalog.messages.CheckProvider(CheckProviderRequest(provider=maker.provider))
        assert (health.is_configured, health.error) == (True, "")
        assert health.latency_ms > 0
        assert server.requests == [], "no model is asked anything"
        assert set(server.checks) == {INSTALLATIONS if maker.keys is not None else ""}

    async def test_one_that_does_not_is_not(self, house: House, maker: Maker, server: StandInProvider) -> None:
        server.listing = maker.overloaded()
        async with acting_for(house, await house.person(), "catalog") as catalog:
            health = await catalog.messages.CheckProvider(CheckProviderRequest(provider=maker.provider))
        assert (health.is_configured, health.error) == (True, "OVERLOADED")


async def test_without_its_sdk_a_maker_is_not_served(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, maker.sdk, None)
    async with open_house(tmp_path / "data") as house:
        anna = await conversation(await house.person(), maker)
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await anna.ask("hello")
    assert refusal.error.reason == "MODEL_UNAVAILABLE"
    assert f"llmchat[{maker.name}]" in refusal.error.text


async def test_no_sdk_is_imported_before_it_is_used() -> None:
    program = "import sys, services.__main__; print(*sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    imported, _ = await child.communicate()
    assert child.returncode == 0
    assert not {maker.sdk for maker in MAKERS} & set(imported.decode().split())


async def fails_in_the_middle(anna: Conversation, server: StandInProvider, then: Then, code: str) -> None:
    """Shows what is left of an answer that breaks off, and that the next one is none the worse."""
    server.replies += [Reply(PARTIAL, then), Reply(["better"])]
    seen = await anna.ask("hello")
    message = await anna.stored(seen)
    assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, code)
    assert message.error.message
    assert seen.tokens == tokens_of(message) == PARTIAL
    assert len(server.requests) == 1, "never tried again: a second answer would be spliced to the first"
    assert (await anna.ask("again")).text == "better"


async def started(stream: Any) -> Seen:
    """A viewer who has been told that the answer begins."""
    seen = Seen()
    event: StreamEvent = await stream.read()
    seen.take(event)
    assert seen.started is not None
    return seen
