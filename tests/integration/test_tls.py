"""TLS by setting: what is shown, what is asked for and what is refused, with certificates of a stand-in authority."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from llmchat.events.v1.events_service_pb2 import PullEventsRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.messages.v1.message_pb2 import Message
from llmchat.users.v1.users_service_pb2 import GetUserRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.client import Client
from libs.client.health import is_serving
from libs.client.server_process import free_ports
from libs.common.crypto.keys import SecretKey
from libs.common.errors import Invalid, NotFound, Unauthenticated
from libs.common.rpc.channels import Channels
from libs.common.rpc.targets import open_channel
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, open_house
from tests.standins.certificates import DAY, Files, StandInAuthority
from tests.standins.terminal import Terminal

LLMCHAT = (sys.executable, "-c", "from libs.client.cli import main; main()")
# Seconds that a client has to find out that it is refused.
SHORT = 1.0


@pytest.fixture
def authority(tmp_path: Path) -> StandInAuthority:
    """Which all processes believe."""
    return new_authority(tmp_path / "authority")


@pytest.fixture
def files(authority: StandInAuthority) -> Files:
    """Of a process that serves all."""
    return authority.issue(*SERVICES)


@pytest.fixture
async def house(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """All services in one process, over mutual TLS."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path / "data", **files.settings) as house:
        yield house


async def test_a_house_over_mutual_tls_holds_a_conversation(house: House, authority: StandInAuthority) -> None:
    async with Client(house.address, token=token(house), tls=authority.issue().tls) as ada:
        thread = await ada.create_thread()
        answer = ada.send(thread.id, "echo", "Hello there")
        await answer.read()

        assert answer.text == "Hello there"
        assert len(await messages_in(ada, thread.id)) == 2


async def test_health_and_reflection_are_asked_over_it(house: House, files: Files) -> None:
    assert await is_serving(house.address, "users", SHORT, tls=files.tls)
    async with open_channel(house.address, "users", files.tls) as channel:
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
        async for answer in answers:
            names = {service.name for service in answer.list_services_response.service}
            break
    assert "llmchat.users.v1.UsersService" in names


@pytest.mark.parametrize("shown", ["nothing", "another authority's", "an expired one"])
async def test_a_client_without_a_good_certificate_is_refused(
    house: House, authority: StandInAuthority, tmp_path: Path, shown: str
) -> None:
    certificates = {
        "another authority's": new_authority(tmp_path / "another").issue("users"),
        "an expired one": authority.issue("users", life=-DAY),
    }

    good = authority.issue()

    assert await is_answered(house.address, good, shown=good)
    assert not await is_answered(house.address, good, shown=certificates.get(shown))


async def test_a_client_in_plain_text_is_refused(house: House) -> None:
    assert not await is_serving(house.address, "users", SHORT, tls=None)


@pytest.mark.parametrize("shown", ["another authority's", "an expired one", "another service's"])
async def test_a_server_without_a_good_certificate_is_left(
    authority: StandInAuthority, tmp_path: Path, shown: str
) -> None:
    certificates = {
        "another authority's": new_authority(tmp_path / "another").issue("users"),
        "an expired one": authority.issue("users", life=-DAY),
        "another service's": authority.issue("threads"),
    }
    async with impostor(certificates[shown]) as place:
        assert not await is_serving(place, "users", SHORT, tls=authority.issue().tls)


async def test_a_services_token_counts_only_with_a_certificate_of_that_service(
    house: House, authority: StandInAuthority
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await pull(house, as_service="messages", shown=authority.issue("threads", "users"))
    assert refused.value.reason == "WRONG_CERTIFICATE"

    await pull(house, as_service="messages", shown=authority.issue("messages"))


async def test_without_an_authority_the_server_shows_its_certificate_and_asks_for_none(
    tmp_path: Path, files: Files
) -> None:
    alone = replace(files, ca="")
    async with open_house(tmp_path / "data", **alone.settings) as house:
        # Its services call each other: it believes its own certificate.
        await pull(house, as_service="messages", shown=alone)
        async with open_channel(house.address, "users", Tls("", "", ca=files.certificate)) as channel:
            with refused(grpc.StatusCode.UNAUTHENTICATED):
                await UsersServiceStub(channel).GetUser(GetUserRequest(id="me"))


async def test_services_in_two_processes_talk_over_mutual_tls(
    tmp_path: Path, authority: StandInAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    writers, others = (f"127.0.0.1:{port}" for port in free_ports(2))
    rest = [service for service in SERVICES if service != "messages"]
    addresses = {"messages": writers} | dict.fromkeys(rest, others)
    shared: dict[str, Any] = {
        "secret_key": SecretKey.generate().encoded,
        **{f"{name}_address": at for name, at in addresses.items()},
    }
    async with (
        open_house(tmp_path / "1", *rest, listen=others, **shared, **authority.issue(*rest).settings) as house,
        open_house(tmp_path / "2", "messages", listen=writers, **shared, **authority.issue("messages").settings),
        Client(addresses=addresses, token=token(house), tls=authority.issue().tls) as ada,
    ):
        thread = await ada.create_thread()
        await ada.send(thread.id, "echo", "Hello there").read()

        # Messages told threads; threads tells messages of the deletion.
        await eventually(lambda: ada.get_thread(thread.id), lambda thread: thread.total_messages == 2)
        await ada.delete_thread(thread.id)
        await eventually(lambda: messages_in(ada, thread.id), lambda left: not left)


def test_the_commands_go_over_tls_where_the_settings_say_so(tmp_path: Path, files: Files) -> None:
    with Terminal([*LLMCHAT, "up", "--port", "0", "--data", "data"], files.environment, tmp_path) as server:
        address = {"LLMCHAT_ADDRESS": server.see(r"serves at (\S+)")[1]}
        person = {**address, **files.environment, "XDG_CONFIG_HOME": str(tmp_path)}
        with Terminal([*LLMCHAT, "check", "--data", "data"], person, tmp_path) as command:
            command.see(r"0 orphans")
        with Terminal([*LLMCHAT, "check", "--data", "data"], address, tmp_path) as command:
            command.see("cannot reach")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"tls_key": ""}, "LLMCHAT_TLS_KEY is not set"),
        ({"tls_certificate": ""}, "LLMCHAT_TLS_CERTIFICATE is not set"),
        ({"tls_certificate": "", "tls_key": ""}, "LLMCHAT_TLS_CERTIFICATE is not set"),
        ({"tls_ca": "nowhere.pem"}, "LLMCHAT_TLS_CA: nowhere.pem cannot be read: No such file or directory"),
        ({"tls_ca": __file__}, "LLMCHAT_TLS_CA: .* holds no certificate"),
        ({"tls_certificate": __file__}, "LLMCHAT_TLS_CERTIFICATE: .* holds no certificate"),
        ({"tls_key": __file__}, "LLMCHAT_TLS_KEY: .* holds no private key"),
    ],
)
async def test_what_the_settings_get_wrong_stops_the_start(
    tmp_path: Path, files: Files, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        async with open_house(tmp_path / "data", **files.settings | given):
            pass


async def test_a_certificate_that_nobody_could_accept_stops_the_start(
    tmp_path: Path, authority: StandInAuthority, files: Files
) -> None:
    other = authority.issue(*SERVICES)
    for certificate, complaint in (
        (authority.issue(*SERVICES, life=-DAY), "expired at"),
        (authority.issue("users", "threads", "messages"), "lacks catalog.llmchat, operations.llmchat"),
        (replace(files, key=other.key), "is not the key of the certificate"),
    ):
        with pytest.raises(Invalid, match=complaint):
            async with open_house(tmp_path / "data", **certificate.settings):
                pass


def new_authority(folder: Path) -> StandInAuthority:
    folder.mkdir()
    return StandInAuthority(folder)


def token(house: House) -> str:
    return house.process.tokens.issue_user("user_ada", False)[0]


async def messages_in(client: Client, thread_id: str) -> list[Message]:
    try:
        return [message async for message in client.list_messages(thread_id)]
    except NotFound:
        return []


async def pull(house: House, *, as_service: str, shown: Files) -> None:
    """Asks for events in the name of a service, over a connection with that certificate."""
    channels = Channels({"threads": house.address}, as_service, house.process.tokens, tls=shown.tls)
    try:
        await channels.stub("threads", EventsServiceStub).PullEvents(
            PullEventsRequest(owner="threads", consumer=as_service)
        )
    finally:
        await channels.close()


async def is_answered(address: str, believing: Files, *, shown: Files | None) -> bool:
    """Whether a client gets an answer that shows the certificate, which may be one that our own would not show."""
    credentials = grpc.ssl_channel_credentials(believing.authorities, *(shown.pair if shown else ()))
    options = (("grpc.default_authority", "users.llmchat"),)
    async with aio.secure_channel(address, credentials, options) as channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SHORT)
        except aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True


@asynccontextmanager
async def impostor(files: Files) -> AsyncIterator[str]:
    """The address of a healthy server with a certificate that our own would not start with."""
    server = aio.server()
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([files.pair]))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
