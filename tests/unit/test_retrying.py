"""A provider that fails in a way that passes is asked again, as long as it has said nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.messages.providers.failures import (
    asked_to_wait,
    broken_off,
    key_refused,
    overloaded,
    rate_limited,
    silent,
    unreachable,
)
from services.messages.providers.port import Health, Prompt, Provider, ProviderError, Turn, Usage
from services.messages.providers.retrying import RetryingProvider

PROMPT = Prompt("model", "", (Turn("user", "hello"),))


class Script:
    """In the place of a maker: each prompt is answered with the next of `answers`, of which an error is the end."""

    def __init__(self, *answers: Sequence[str | Usage | ProviderError]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        self.asked += 1
        for piece in self._answers.pop(0):
            if isinstance(piece, ProviderError):
                raise piece
            yield piece

    async def check(self, api_key: str) -> Health:
        return Health()

    async def close(self) -> None:
        """Nothing to let go of."""


async def said(provider: Provider) -> tuple[list[str | Usage], ProviderError | None]:
    pieces: list[str | Usage] = []
    try:
        async for piece in provider.stream(PROMPT):
            pieces += [piece]
    except ProviderError as error:
        return pieces, error
    return pieces, None


@pytest.mark.parametrize("passing", [overloaded(503), unreachable(), rate_limited(0.1)], ids=lambda error: error.text)
async def test_what_passes_is_tried_again_and_never_told(passing: ProviderError) -> None:
    maker = Script([passing], ["well"])
    assert await said(RetryingProvider(maker, 1)) == (["well"], None)
    assert maker.asked == 2


@pytest.mark.parametrize(
    "failure",
    [key_refused(), silent(), broken_off(), rate_limited(None), rate_limited(11), overloaded(503, 11)],
    ids=lambda error: f"{error.code}-{error.retry_after}",
)
async def test_what_does_not_pass_soon_is_told_at_once(failure: ProviderError) -> None:
    maker = Script([failure], ["well"])
    assert await said(RetryingProvider(maker, 5)) == ([], failure)
    assert (maker.asked, failure.retries) == (1, 0)


async def test_nothing_is_tried_again_after_the_first_piece() -> None:
    failure = overloaded(503)
    maker = Script(["half", failure], ["other half"])
    assert await said(RetryingProvider(maker, 5)) == (["half"], failure)
    assert (maker.asked, failure.retries) == (1, 0)


async def test_the_last_failure_says_how_often_was_tried() -> None:
    maker = Script([overloaded(500)], [overloaded(502)], [overloaded(503)])
    pieces, error = await said(RetryingProvider(maker, 2))
    assert error is not None
    assert (pieces, error.text, error.retries) == ([], "the provider failed with status 503", 2)


async def test_it_waits_no_less_than_it_is_asked_to() -> None:
    begun = time.monotonic()
    await said(RetryingProvider(Script([overloaded(503, 1)], ["well"]), 1))
    assert time.monotonic() - begun >= 1


async def test_cancelled_while_it_waits_it_asks_no_more() -> None:
    maker = Script([overloaded(503, 10)], ["for whom?"])
    asking = asyncio.create_task(said(RetryingProvider(maker, 1)))
    while not maker.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert maker.asked == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0.5s"}, 360.5),
        ({"retry-after": "2", "x-ratelimit-reset-tokens": "6m0s"}, 2),
    ],
    ids=str,
)
def test_the_time_that_headers_ask_for(headers: Mapping[str, str], seconds: float | None) -> None:
    assert asked_to_wait(headers) == (seconds if seconds is None else pytest.approx(seconds))


def test_a_date_to_wait_for_is_that_long_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert asked_to_wait({"retry-after": date}) == pytest.approx(90, abs=5)
    assert asked_to_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize("senseless", ["inf", "nan", "-1"])
def test_what_is_no_time_is_none(senseless: str) -> None:
    assert rate_limited(asked_to_wait({"retry-after": senseless})).retry_after is None
