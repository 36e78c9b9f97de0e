"""A call that finds the server away is made again, as the same request, until its deadline."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from llmchat.threads.v1 import threads_service_pb2_grpc

from libs.client import Client
from libs.common.errors import DeadlineExceeded, Precondition, Unavailable
from tests.standins.threads import StandInThreads


@pytest.fixture
def threads() -> StandInThreads:
    # The generated class is abstract in its stubs alone.
    return StandInThreads()  # type: ignore[abstract]


@pytest.fixture
async def address(threads: StandInThreads) -> AsyncIterator[str]:
    server = grpc.aio.server()
    threads_service_pb2_grpc.add_ThreadsServiceServicer_to_server(threads, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_call_is_repeated_under_one_request_id_while_the_server_is_away(
    address: str, threads: StandInThreads
) -> None:
    threads.away = 3
    async with Client(address) as client:
        thread = await client.create_thread("Plans")

    assert thread.title == "Plans"
    assert len(threads.creates) == 4
    assert len({request.request_id for request in threads.creates}) == 1


async def test_every_change_has_a_request_id_of_its_own(address: str, threads: StandInThreads) -> None:
    async with Client(address) as client:
        await client.create_thread()
        await client.create_thread()

    first, second = (request.request_id for request in threads.creates)
    assert first
    assert first != second


async def test_a_call_carries_the_token_and_a_request_id(address: str, threads: StandInThreads) -> None:
    async with Client(address, token="a-token") as client:
        await client.create_thread()

    assert threads.metadata[0]["authorization"] == "Bearer a-token"
    assert threads.metadata[0]["x-request-id"] == threads.creates[0].request_id


async def test_a_server_that_stays_away_is_given_up_at_the_deadline(address: str, threads: StandInThreads) -> None:
    threads.away = 1000
    began = time.monotonic()
    async with Client(address, timeout=0.3) as client:
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await client.create_thread()

    assert time.monotonic() - began < 5


async def test_a_server_that_does_not_answer_is_given_up_at_the_deadline(address: str, threads: StandInThreads) -> None:
    threads.hangs = True
    async with Client(address, timeout=0.3) as client:
        with pytest.raises(DeadlineExceeded):
            await client.create_thread()


async def test_a_list_goes_over_its_pages(address: str) -> None:
    async with Client(address) as client:
        ids = [thread.id async for thread in client.list_threads()]

    assert ids == ["thread-1", "thread-2", "thread-3"]


async def test_a_closed_client_says_so(address: str) -> None:
    client = Client(address)
    await client.close()

    with pytest.raises(Precondition, match="closed"):
        await client.create_thread()
