"""Certificates that are replaced while a house runs: used from then on, and whoever is connected notices nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llmchat.events.v1.events_service_pb2 import PullEventsRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.client.health import is_serving
from libs.common.errors import Unauthenticated
from libs.common.rpc.channels import Channels
from libs.common.rpc.targets import open_channel
from libs.common.settings import SERVICES
from tests.integration.calling import SignedIn
from tests.integration.conftest import House, open_house
from tests.standins.certificates import Files, StandInAuthority

# Seconds that a client has to find out that it is refused.
SHORT = 1.0


@pytest.fixture
def authority(tmp_path: Path) -> StandInAuthority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return StandInAuthority(folder)


@pytest.fixture
def files(authority: StandInAuthority) -> Files:
    """Of the house."""
    return authority.issue(*SERVICES)


@pytest.fixture
async def house(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """All services in one process, over mutual TLS; the echo model writes 100 tokens a second."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "100")
    async with open_house(tmp_path / "data", **files.settings) as house:
        yield house


async def test_a_server_shows_its_new_certificate(house: House, authority: StandInAuthority, files: Files) -> None:
    client = authority.issue().tls
    assert await is_serving(house.address, "threads", SHORT, tls=client)

    authority.renew(files, "users")

    assert await is_serving(house.address, "users", SHORT, tls=client)
    assert not await is_serving(house.address, "threads", SHORT, tls=client)


async def test_a_service_shows_its_new_certificate_to_those_that_it_calls(
    house: House, authority: StandInAuthority
) -> None:
    shown = authority.issue("threads")
    channels = Channels({"threads": house.address}, "messages", house.process.tokens, tls=shown.tls)
    pull = channels.stub("threads", EventsServiceStub).PullEvents
    events = PullEventsRequest(owner="threads", consumer="messages")
    with pytest.raises(Unauthenticated):
        await pull(events)

    authority.renew(shown, "messages")

    await pull(events)
    await channels.close()


async def test_a_stream_goes_on_over_its_connection(house: House, authority: StandInAuthority) -> None:
    shown = authority.issue()
    tls, token = shown.tls, house.process.tokens.issue_user("user_ada", False)[0]
    async with (
        open_channel(house.address, "messages", tls) as to_messages,
        open_channel(house.address, "threads", tls) as to_threads,
    ):
        threads = SignedIn(ThreadsServiceStub(to_threads), token)
        messages = SignedIn(MessagesServiceStub(to_messages), token)
        thread = await threads.CreateThread(CreateThreadRequest())
        question = SendMessageRequest(thread_id=thread.id, model_id="echo", content=" ".join("word" for _ in range(60)))
        events = aiter(messages.SendMessage(question))
        assert (await anext(events)).HasField("started")

        authority.renew(shown)
        # Over another connection.
        await threads.GetThread(GetThreadRequest(id=thread.id))
        await messages.ListMessages(ListMessagesRequest(thread_id=thread.id))

        assert [event async for event in events][-1].HasField("ended")


async def test_while_a_certificate_and_its_key_do_not_fit_together_the_former_pair_is_shown(
    house: House, authority: StandInAuthority, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    authority.renew(files, *SERVICES, with_certificate=False)

    assert await is_serving(house.address, "threads", SHORT, tls=authority.issue().tls)
    assert "LLMCHAT_TLS_KEY" in caplog.text
