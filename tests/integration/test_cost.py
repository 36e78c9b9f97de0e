"""What answers cost: by the provider's count where it gives one, and the catalog's prices."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig, ModelSpecs
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_CANCELLED, MESSAGE_STATUS_FAILED
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest, SendMessageRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest

from services.messages.cost import cost_nanos
from tests.integration.branching import ask, new_thread, regenerate
from tests.integration.calling import eventually
from tests.integration.conftest import Person, open_house
from tests.integration.watching import watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply

# Its makers' list price: 2 dollars for a million tokens in, 8 for a million out.
MODEL, IN, OUT = "gpt-4.1", 2_000, 8_000


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def anna(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Person]:
    """Somebody in a house whose OpenAI is the stand-in."""
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path / "data") as house:
        yield await house.person()


async def thread_with(person: Person, thread_id: str, messages: int) -> Thread:
    """The thread once it has heard of so many messages."""

    async def read() -> Thread:
        return await person.threads.GetThread(GetThreadRequest(id=thread_id))

    return await eventually(read, lambda thread: thread.total_messages == messages)


async def test_the_providers_count_at_the_catalogs_price(anna: Person, openai: StandInOpenAI) -> None:
    thread_id = await new_thread(anna)
    openai.replies.append(Reply(["one ", "two"], input_tokens=1_000_000, output_tokens=500_000))
    answer = await ask(anna, thread_id, "hello", model_id=MODEL)
    assert (answer.input_tokens, answer.context_tokens, answer.total_tokens) == (1_000_000, 1_000_000, 500_000)
    assert answer.cost_nanos == 6 * 10**9
    assert (await thread_with(anna, thread_id, 2)).total_cost_nanos == 6 * 10**9


async def test_estimates_where_it_gives_none(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(["one ", "two"]))
    answer = await ask(anna, await new_thread(anna), "hello", model_id=MODEL)
    assert not answer.HasField("input_tokens")
    assert answer.context_tokens > 0
    assert answer.cost_nanos == answer.context_tokens * IN + 2 * OUT


async def test_what_is_cancelled_costs_what_was_said(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(["one ", "two"], held=["three"]))
    request = SendMessageRequest(thread_id=await new_thread(anna), model_id=MODEL, content="hello")
    seen = await watch(anna.messages.SendMessage(request), until=2)
    answer = await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))
    assert answer.status == MESSAGE_STATUS_CANCELLED
    assert answer.cost_nanos == answer.context_tokens * IN + 2 * OUT


async def test_what_never_began_costs_nothing(anna: Person, openai: StandInOpenAI) -> None:
    openai.replies.append(Reply(status=400, error="invalid"))
    answer = await ask(anna, await new_thread(anna), "hello", model_id=MODEL)
    assert (answer.status, answer.cost_nanos) == (MESSAGE_STATUS_FAILED, 0)


async def test_a_thread_costs_what_all_its_answers_do(anna: Person, openai: StandInOpenAI) -> None:
    thread_id = await new_thread(anna)
    openai.replies.extend(Reply(["one"], input_tokens=1000, output_tokens=1000) for _ in range(2))
    await regenerate(anna, (await ask(anna, thread_id, "hello", model_id=MODEL)).id)
    # The question and two answers.
    thread = await thread_with(anna, thread_id, 3)
    assert thread.total_cost_nanos == 2 * 1000 * (IN + OUT)
    assert thread.models[MODEL].message_count == 3


async def test_a_model_without_a_price(anna: Person) -> None:
    thread_id = await new_thread(anna)
    answer = await ask(anna, thread_id, "hello")
    assert not answer.HasField("cost_nanos")
    assert (await thread_with(anna, thread_id, 2)).total_cost_nanos == 0


@pytest.mark.parametrize(
    ("specs", "cost"),
    [
        (ModelSpecs(), None),
        (ModelSpecs(currency="USD"), None),
        (ModelSpecs(input_token_cost=1, currency="EUR"), None),
        (ModelSpecs(input_token_cost=0, output_token_cost=0), 0),
        (ModelSpecs(input_token_cost=0.0003), 3 * 300),
        (ModelSpecs(output_token_cost=0.0004, currency="USD"), 7 * 400),
        # A tenth is a tenth, and half a billionth is one.
        (ModelSpecs(input_token_cost=0.1, output_token_cost=0.2), 3 * 100_000 + 7 * 200_000),
        (ModelSpecs(input_token_cost=0.0000005), 2),
        (ModelSpecs(input_token_cost=1e300), None),
        (ModelSpecs(input_token_cost=math.inf), None),
        (ModelSpecs(output_token_cost=math.nan), None),
    ],
    ids=[
        "no price",
        "a currency alone",
        "euros",
        "free",
        "in",
        "out",
        "both",
        "less than a billionth",
        "a mistake",
        "infinite",
        "no number",
    ],
)
def test_a_price_is_per_thousand_tokens(specs: ModelSpecs, cost: int | None) -> None:
    assert cost_nanos(ModelConfig(specs=specs), 3, 7) == cost
