"""A key is checked with its provider before it is stored, where that is asked for: over HTTP, against a stand-in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.users.v1.user_pb2 import (
    KEY_PROVIDER_CLAUDE,
    KEY_PROVIDER_GOOGLE,
    KEY_PROVIDER_OPENAI,
    KeyProvider,
    ProviderKeyStatus,
)
from llmchat.users.v1.users_service_pb2 import GetUserRequest, SetProviderKeyRequest

from tests.integration.accounts import account
from tests.integration.calling import NOBODY, refused
from tests.integration.conftest import Person, open_house
from tests.standins.key_servers import StandInKeyServers, serve_key_servers

KEYS = {
    KEY_PROVIDER_CLAUDE: "sk-ant-api03-canary" + "c" * 80,
    KEY_PROVIDER_OPENAI: "sk-proj-canary" + "o" * 60,
    KEY_PROVIDER_GOOGLE: "AQ.canary" + "g" * 40,
}


@pytest.fixture
async def servers() -> AsyncIterator[StandInKeyServers]:
    async with serve_key_servers() as servers:
        yield servers


@pytest.fixture
async def ada(servers: StandInKeyServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Person]:
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_CLAUDE_URL", servers.url)
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", f"{servers.url}/openai/v1/")
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_GOOGLE_URL", servers.url)
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_TIMEOUT", "30")
    async with open_house(tmp_path / "data") as house:
        yield await account(house)


async def store(person: Person, provider: KeyProvider, **more: Any) -> ProviderKeyStatus:
    return await person.users.SetProviderKey(
        SetProviderKeyRequest(provider=provider, api_key=KEYS[provider], check=True, **more)
    )


async def has_keys(person: Person) -> bool:
    return bool((await person.users.GetUser(GetUserRequest(id="me"))).provider_keys)


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        (KEY_PROVIDER_CLAUDE, "/v1/models?limit=1"),
        (KEY_PROVIDER_OPENAI, "/openai/v1/models"),
        (KEY_PROVIDER_GOOGLE, "/v1beta/models?pageSize=1"),
    ],
)
class TestEachProvider:
    async def test_a_key_that_it_takes_is_stored(
        self, ada: Person, servers: StandInKeyServers, provider: KeyProvider, path: str
    ) -> None:
        servers.accepted = {KEYS[provider]}
        assert (await store(ada, provider)).is_valid
        assert servers.asked == [(path, KEYS[provider])]
        assert await has_keys(ada)

    async def test_a_key_that_it_refuses_is_not(
        self,
        ada: Person,
        servers: StandInKeyServers,
        provider: KeyProvider,
        path: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await store(ada, provider)
        assert refusal.error.reason == "PROVIDER_KEY_REFUSED"
        assert refusal.fields == {"api_key"}
        assert not await has_keys(ada)
        assert "canary" not in refusal.error.text + caplog.text


async def test_a_repeat_of_what_was_stored_asks_nobody(ada: Person, servers: StandInKeyServers) -> None:
    servers.accepted = set(KEYS.values())
    first = await store(ada, KEY_PROVIDER_OPENAI, request_id="once")
    servers.accepted = set()
    assert await store(ada, KEY_PROVIDER_OPENAI, request_id="once") == first
    assert len(servers.asked) == 1


async def test_nobody_is_asked_about_a_key_unless_that_is_wanted(ada: Person, servers: StandInKeyServers) -> None:
    key = KEYS[KEY_PROVIDER_OPENAI]
    await ada.users.SetProviderKey(SetProviderKeyRequest(provider=KEY_PROVIDER_OPENAI, api_key=key))
    with refused(StatusCode.INVALID_ARGUMENT):
        await ada.users.SetProviderKey(SetProviderKeyRequest(provider=KEY_PROVIDER_CLAUDE, api_key=key, check=True))
    assert servers.asked == []


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
async def test_a_provider_that_answers_something_else_has_said_nothing(
    ada: Person, servers: StandInKeyServers, status: int
) -> None:
    servers.status = status
    with refused(StatusCode.UNAVAILABLE) as refusal:
        await store(ada, KEY_PROVIDER_OPENAI)
    assert refusal.error.reason == "PROVIDER_UNAVAILABLE"
    assert not await has_keys(ada)


async def test_a_provider_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_OPENAI_URL", f"http://{NOBODY}/v1")
    async with open_house(tmp_path / "data") as house:
        ada = await account(house)
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await store(ada, KEY_PROVIDER_OPENAI)
        assert refusal.error.reason == "PROVIDER_UNAVAILABLE"


async def test_a_provider_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_OPENAI_URL", f"http://{host}:{port}/v1")
    monkeypatch.setenv("LLMCHAT_KEY_CHECK_TIMEOUT", "0.2")
    async with server, open_house(tmp_path / "data") as house:
        ada = await account(house)
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await store(ada, KEY_PROVIDER_OPENAI)
        assert refusal.error.reason == "PROVIDER_UNAVAILABLE"
