"""The Python client of those who write answers outside, over a line that is cut and held."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest

from libs.client.generator import Generator
from libs.common.errors import DomainError, Invalid, Precondition
from tests.integration.conftest import House, Person, open_house
from tests.integration.outside import MODEL, ask, plant_model
from tests.integration.watching import watch
from tests.standins.wire import Wire


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """With a model whose answers are written outside."""
    async with open_house(tmp_path / "data") as house:
        await plant_model(house)
        yield house


@pytest.fixture
async def wire(house: House) -> AsyncIterator[Wire]:
    async with Wire(int(house.address.rpartition(":")[2])) as wire:
        yield wire


@pytest.fixture
async def generator(house: House, wire: Wire) -> AsyncIterator[Generator]:
    token, _ = house.process.tokens.issue_service("generator", "", False)
    async with Generator(f"127.0.0.1:{wire.port}", token=token) as generator:
        yield generator


async def test_it_writes_one_answer_after_the_other(anna: Person, generator: Generator) -> None:
    streams = [await ask(anna, content) for content in ("One", "Two")]
    viewers = [asyncio.create_task(watch(stream)) for stream in streams]

    written = 0
    async for answer in generator.claim(MODEL):
        await answer.append("To", f" {answer.context[-1].text}")
        await answer.end(input_tokens=1, output_tokens=2)
        assert answer.message.status == MESSAGE_STATUS_COMPLETE
        written += 1
        if written == len(streams):
            break

    assert [seen.text for seen in await asyncio.gather(*viewers)] == ["To One", "To Two"]


async def test_nothing_is_lost_or_doubled_however_often_the_line_is_cut(
    anna: Person, generator: Generator, wire: Wire
) -> None:
    said = [f"token {number} 👩\u200d🚀" for number in range(400)]
    viewer = asyncio.create_task(watch(await ask(anna)))
    answer = await anext(generator.claim(MODEL))
    dice = random.Random(7)  # noqa: S311 # not a secret
    at = 0
    while at < len(said):
        more = dice.randint(1, 40)
        await answer.append(*said[at : at + more])
        at += more
        if dice.random() < 0.3:
            wire.cut()
        await asyncio.sleep(0.005)
    wire.cut()
    await answer.end()

    assert (await viewer).tokens == said
    assert answer.message.status == MESSAGE_STATUS_COMPLETE


async def test_a_line_that_is_cut_while_it_thinks_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_LEASE_SECONDS", "1")
    async with open_house(tmp_path / "hasty") as house:
        await plant_model(house)
        anna = await house.person()
        token, _ = house.process.tokens.issue_service("generator", "", False)
        async with (
            Wire(int(house.address.rpartition(":")[2])) as wire,
            Generator(f"127.0.0.1:{wire.port}", token=token) as generator,
        ):
            viewer = asyncio.create_task(watch(await ask(anna)))
            answer = await anext(generator.claim(MODEL))
            await answer.append("One")
            wire.cut()
            # Longer than the lease and the look for what has run out.
            await asyncio.sleep(3)
            await answer.append(" two")
            await answer.end()
            assert (await viewer).text == "One two"


async def test_a_reader_who_cancels_stops_it(anna: Person, generator: Generator) -> None:
    stream = await ask(anna)
    answer = await anext(generator.claim(MODEL))
    await answer.append("One")
    seen = await watch(stream, until=1)
    await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))

    async def goes_on() -> None:
        while True:
            await answer.append(" more")
            await asyncio.sleep(0.01)

    with pytest.raises(Precondition) as refusal:
        await goes_on()

    assert refusal.value.reason == "ANSWER_ENDED"
    with pytest.raises(Precondition):
        await answer.end()


async def test_it_fails_an_answer_by_its_own_word(anna: Person, generator: Generator) -> None:
    stream = await ask(anna)
    answer = await anext(generator.claim(MODEL))
    await answer.end("OVERLOADED", "too many at once")

    seen = await watch(stream)

    assert seen.ended is not None
    assert (seen.ended.status, seen.ended.error.code) == (MESSAGE_STATUS_FAILED, "OVERLOADED")


async def test_a_token_that_is_no_text_is_refused(anna: Person, generator: Generator) -> None:
    await ask(anna)
    answer = await anext(generator.claim(MODEL))

    await answer.append("a bell \a")

    with pytest.raises(Invalid):
        await answer.end()


async def test_it_is_told_what_is_no_model_of_its(generator: Generator) -> None:
    for model_id, reason in (("echo", "MODEL_NOT_EXTERNAL"), ("no such model", "NOT_FOUND")):
        with pytest.raises(DomainError) as refusal:
            await anext(generator.claim(model_id))
        assert refusal.value.reason == reason
