"""Where a provider key is found by whoever has the files or the logs: sealed in the account, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.users_service_pb2 import DeleteProviderKeyRequest, DeleteUserRequest, ReportProviderKeyRequest

from libs.common.settings import SERVICES
from tests.integration.accounts import account
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.provider_keys import (
    CLAUDE,
    KEY,
    OPENAI,
    OTHER_KEY,
    acting_for,
    audited,
    resolve,
    store,
)
from tests.integration.tables import bodies, holding


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


@pytest.fixture
async def messages(house: House, ada: Person) -> AsyncIterator[Person]:
    async with acting_for(house, ada) as messages:
        yield messages


def sealed_in(folder: Path) -> tuple[str, str]:
    """Envelope and hash of the one key that is stored."""
    [user] = [UserRecord.FromString(body) for body in bodies(folder, "users", "users")]
    return user.api_keys.openai.encrypted_key, user.api_keys.openai.key_hash


@pytest.mark.parametrize("way", ["replaced", "deleted", "account deleted"])
async def test_nothing_is_left_of_what_was_overwritten(house: House, ada: Person, tmp_path: Path, way: str) -> None:
    async def replace() -> None:
        await store(ada, OTHER_KEY)

    async def delete() -> None:
        await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=OPENAI))

    async def delete_account() -> None:
        await ada.users.DeleteUser(DeleteUserRequest(id="me"))

    ways: dict[str, Callable[[], Awaitable[None]]] = {
        "replaced": replace,
        "deleted": delete,
        "account deleted": delete_account,
    }
    folder = tmp_path / "data"
    await store(ada, request_id="stored once")
    envelope, key_hash = sealed_in(folder)
    assert holding(folder, "users", envelope) == holding(folder, "users", key_hash) == [f"users {ada.user_id}"]

    await ways[way]()
    for service in SERVICES:
        for secret in (envelope, key_hash, KEY):
            assert holding(folder, service, secret) == []


async def test_a_closed_file_has_no_trace_of_it_either(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_house(folder) as house:
        ada = await account(house)
        await store(ada)
        first = sealed_in(folder)
        await store(ada, OTHER_KEY)
        second = sealed_in(folder)
        await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=OPENAI))
    files = [file.read_bytes() for file in folder.iterdir()]
    assert any(ada.user_id.encode() in file for file in files)
    assert not any(trace.encode() in file for trace in (*first, *second) for file in files)


async def test_neither_logs_nor_errors_nor_files_hold_the_key(
    house: House, ada: Person, messages: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await store(ada, request_id="r")
    resolved = await resolve(messages)
    await messages.users.ReportProviderKey(ReportProviderKeyRequest(provider=OPENAI, key_hash=resolved.key_hash))
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await store(ada, KEY, CLAUDE)
    await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=OPENAI))
    await audited(house, 4)

    assert caplog.text
    for secret in (KEY, resolved.key_hash):
        assert secret not in caplog.text
        assert secret not in refusal.error.text
    assert not any(KEY.encode() in file.read_bytes() for file in (tmp_path / "data").iterdir())


async def test_a_master_key_that_is_no_key_stops_the_start_in_one_line(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "LLMCHAT_MASTER_KEYS": "hunter2",
        "LLMCHAT_LISTEN": "127.0.0.1:0",
        "LLMCHAT_STORE_URL": f"sqlite:///{tmp_path / 'data'}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode() == "llmchat: LLMCHAT_MASTER_KEYS must be base64 of 32 bytes\n"


async def test_keys_outlast_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house:
        ada = await account(house)
        await store(ada)
    async with open_house(tmp_path / "data") as house, acting_for(house, ada) as messages:
        assert (await resolve(messages)).api_key == KEY
