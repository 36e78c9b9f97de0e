"""What a process measures of itself, as Prometheus reads it."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import httpx2
import pytest
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest, WatchThreadsRequest

from libs.common.errors import Invalid, Unavailable
from tests.integration.calling import eventually
from tests.integration.conftest import House, open_house
from tests.integration.watching import watch

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([^ ]+)$")


async def read(house: House) -> dict[str, float]:
    """Every sample of the house, by its name and labels as they are written."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"http://{house.process.metrics_address}/metrics")
    found = (SAMPLE.match(line) for line in answer.text.splitlines() if not line.startswith("#"))
    return {f"{one[1]}{{{one[2] or ''}}}": float(one[3]) for one in found if one}


def total(samples: dict[str, float], *parts: str) -> float:
    """The sum of the samples whose names or labels hold all of `parts`."""
    return sum(value for name, value in samples.items() if all(part in name for part in parts))


async def test_a_conversation_is_seen_in_calls_store_bus_events_and_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path, metrics_listen="127.0.0.1:0") as house:
        anna = await house.person()
        thread = await anna.threads.CreateThread(CreateThreadRequest(title="Lisbon"))
        await watch(
            anna.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="echo", content="a b c"))
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await anna.threads.GetThread(GetThreadRequest(id="thread_of_nobody"))

        handled = 'llmchat_events_handled_total{consumer="threads",outcome="done",type="generation.finished"}'
        samples = await eventually(lambda: read(house), lambda samples: handled in samples)

    create = "llmchat.threads.v1.ThreadsService/CreateThread"
    assert total(samples, "llmchat_rpc_seconds_count", create, 'code="OK"') == 1
    assert total(samples, "llmchat_rpc_seconds_count", "GetThread", 'code="NOT_FOUND"') == 1
    assert total(samples, "llmchat_rpc_streams_total", "SendMessage", 'code="OK"') == 1
    assert total(samples, "llmchat_rpc_stream_messages_total", "SendMessage") >= 3
    assert total(samples, "llmchat_store_seconds_count", 'collection="threads"', 'operation="commit"') >= 1
    assert total(samples, "llmchat_bus_published_total") >= 1
    assert samples[handled] == 1
    assert total(samples, "llmchat_cascade_seconds_count", "generation.finished", "threads") == 1
    assert total(samples, "llmchat_provider_answers_total", 'provider="echo"', "COMPLETE") == 1
    assert total(samples, "llmchat_provider_first_token_seconds_count", "echo") == 1
    assert total(samples, "llmchat_provider_tokens_total", "echo", "output") == 3
    assert total(samples, "llmchat_events_waiting", 'service="threads"', "parked") == 0
    assert anna.user_id not in str(samples)
    assert thread.id not in str(samples)


async def test_streams_are_counted_while_they_are_open(tmp_path: Path) -> None:
    async with open_house(tmp_path, metrics_listen="127.0.0.1:0") as house:
        anna = await house.person()
        stream = anna.threads.WatchThreads(WatchThreadsRequest())
        await stream.read()

        assert total(await read(house), "llmchat_rpc_streams_open", "WatchThreads") == 1
        stream.cancel()
        await eventually(lambda: read(house), lambda seen: total(seen, "llmchat_rpc_streams_open", "WatchThreads") == 0)


async def test_nothing_is_exposed_unless_it_is_asked_for(house: House) -> None:
    assert house.process.metrics_address == ""


async def test_an_address_that_is_taken_or_malformed_stops_the_start(tmp_path: Path) -> None:
    async with open_house(tmp_path / "one", metrics_listen="127.0.0.1:0") as house:
        with pytest.raises(Unavailable, match="cannot listen"):
            async with open_house(tmp_path / "two", metrics_listen=house.process.metrics_address):
                pass
    with pytest.raises(Invalid, match="HOST:PORT"):
        async with open_house(tmp_path / "three", metrics_listen="9464"):
            pass
