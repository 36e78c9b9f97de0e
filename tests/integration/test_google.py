"""What is Google's alone, as the provider has it: the official SDK against a stand-in, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.messages.providers.google import GoogleProvider
from services.messages.providers.port import Prompt, ProviderError, Turn, Usage
from tests.standins.google_server import THOUGHTS, StandInGoogle
from tests.standins.provider_server import Reply, Then, serve

ASKED = Prompt("gemini-2.5-pro", "", (Turn("user", "hello"),), api_key="a-key-that-nobody-else-sees")


@pytest.fixture
async def server() -> AsyncIterator[StandInGoogle]:
    async with serve(StandInGoogle()) as stand_in:
        yield stand_in


@pytest.fixture
async def google(server: StandInGoogle) -> AsyncIterator[GoogleProvider]:
    provider = GoogleProvider(server.base_url, 10)
    yield provider
    await provider.close()


async def answer(google: GoogleProvider, prompt: Prompt = ASKED) -> list[str | Usage]:
    return [piece async for piece in google.stream(prompt)]


async def test_what_is_sent(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies.append(Reply(["ok"]))
    turns = (Turn("user", "First?"), Turn("assistant", "A first."), Turn("user", "Second?"))
    prompt = Prompt("gemini-2.5-pro", "Be brief.", turns, temperature=0.4, max_output_tokens=99, api_key="mine")
    assert await answer(google, prompt) == ["ok"]
    assert server.paths == ["/v1/models/gemini-2.5-pro:streamGenerateContent"]
    assert server.keys == ["mine"]
    [request] = server.requests
    assert server.turns(request) == [("system", "Be brief."), *((turn.role, turn.text) for turn in turns)]
    assert request["generationConfig"] == {"temperature": pytest.approx(0.8), "maxOutputTokens": 99}
    assert "X-Server-Timeout" not in server.headers[0], "a limit of silence is none of the whole answer"


async def test_each_prompt_has_its_own_key(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies += [Reply(["one"], held=[" more"]), Reply(["two"])]
    first = google.stream(Prompt("gemini-2.5-pro", "", ASKED.turns, api_key="annas"))
    assert await anext(first) == "one"
    assert await answer(google, Prompt("gemini-2.5-pro", "", ASKED.turns, api_key="evas")) == ["two"]
    server.released.set()
    assert [piece async for piece in first] == [" more"]
    assert server.keys == ["annas", "evas"]


async def test_an_answer_whose_question_was_cut_off_is_not_sent(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies.append(Reply(["ok"]))
    turns = (Turn("assistant", "To what?"), Turn("user", "hello"))
    await answer(google, Prompt("gemini-2.5-pro", "", turns, api_key="mine"))
    assert server.turns(server.requests[0]) == [("user", "hello")]


async def test_thoughts_are_counted_and_not_told(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies.append(Reply(["ok"], input_tokens=11, output_tokens=THOUGHTS + 2))
    assert await answer(google) == ["ok", Usage(11, THOUGHTS + 2)]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("SAFETY", "REFUSED"),
        ("RECITATION", "REFUSED"),
        ("BLOCKLIST", "REFUSED"),
        ("PROHIBITED_CONTENT", "REFUSED"),
        ("SPII", "REFUSED"),
        ("OTHER", "PROVIDER_ERROR"),
        ("MALFORMED_RESPONSE", "PROVIDER_ERROR"),
    ],
)
async def test_what_ends_an_answer_before_its_end(
    google: GoogleProvider, server: StandInGoogle, reason: str, code: str
) -> None:
    server.replies.append(Reply(["half"], error=reason))
    pieces = google.stream(ASKED)
    assert await anext(pieces) == "half"
    with pytest.raises(ProviderError) as caught:
        await anext(pieces)
    assert caught.value.code == code


async def test_a_question_that_google_blocks_is_refused(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies.append(Reply([], Then.REFUSED))
    with pytest.raises(ProviderError) as caught:
        await answer(google)
    assert caught.value.code == "REFUSED"


async def test_how_long_google_asks_to_wait(google: GoogleProvider, server: StandInGoogle) -> None:
    server.replies.append(Reply(status=429, headers={"Retry-After": "38.5"}))
    with pytest.raises(ProviderError) as caught:
        await answer(google)
    assert (caught.value.code, caught.value.retry_after) == ("RATE_LIMITED", 38.5)
