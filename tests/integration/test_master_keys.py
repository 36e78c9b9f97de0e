"""Master keys are changed while people's keys are read: nothing is unreadable at any moment, and the old one can go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_OPENAI, KeyProvider
from llmchat.users.v1.users_service_pb2 import (
    DeleteProviderKeyRequest,
    ReencryptProviderKeysRequest,
    ReencryptProviderKeysResponse,
    ResolveProviderKeyRequest,
    SetProviderKeyRequest,
)
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.crypto.keys import SecretKey
from services.users import key_rotation
from services.users.collections import USERS
from tests.integration.accounts import account, administrator
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import plant
from tests.integration.tables import bodies, holding

OLD, NEW = SecretKey.generate(), SecretKey.generate()
PEOPLE = 40


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people are many pages."""
    monkeypatch.setattr(key_rotation, "_PAGE", 3)


@asynccontextmanager
async def house_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *ring: SecretKey, bus_url: str = "memory://"
) -> AsyncIterator[House]:
    monkeypatch.setenv("LLMCHAT_MASTER_KEYS", ",".join(key.encoded for key in ring))
    async with open_house(folder, bus_url=bus_url) as house:
        yield house


def keys_of(user_id: str) -> list[tuple[KeyProvider, str]]:
    return [
        (KEY_PROVIDER_CLAUDE, f"sk-ant-api03-of-{user_id}"),
        (KEY_PROVIDER_OPENAI, f"sk-proj-of-{user_id}"),
    ]


async def settle(house: House, count: int) -> list[str]:
    """The ids of so many people, who have each stored a key for two providers."""
    user_ids = []
    for number in range(count):
        person = await account(house, f"{number}@example.org")
        for provider, key in keys_of(person.user_id):
            await person.users.SetProviderKey(SetProviderKeyRequest(provider=provider, api_key=key))
        user_ids.append(person.user_id)
    return user_ids


async def read_all(house: House, user_ids: list[str]) -> AsyncIterator[str]:
    """Every key, as the messages service gets it and finds it right."""
    async with aio.insecure_channel(house.address) as channel:
        for user_id in user_ids:
            token, _ = house.process.tokens.issue_service("messages", user_id, False)
            messages = SignedIn(UsersServiceStub(channel), token)
            for provider, key in keys_of(user_id):
                answer = await messages.ResolveProviderKey(ResolveProviderKeyRequest(provider=provider))
                assert answer.api_key == key
                yield key


async def all_read(house: House, user_ids: list[str]) -> bool:
    """Whether the messages service gets every key."""
    return len([key async for key in read_all(house, user_ids)]) == 2 * len(user_ids)


def master_keys(folder: Path) -> set[str]:
    """The ids of the master keys that seal what is stored."""
    users = [UserRecord.FromString(body) for body in bodies(folder, "users", "users")]
    return {key.key_id for user in users for _, key in user.api_keys.ListFields()}


async def sealed_under(folder: Path, master: SecretKey) -> None:
    """Returns once that holds for all that is stored."""

    async def found() -> set[str]:
        return master_keys(folder)

    await eventually(found, lambda ids: ids == {master.id}, within=60)


async def reencrypt(root: Person, request_id: str = "") -> ReencryptProviderKeysResponse:
    return await root.users.ReencryptProviderKeys(ReencryptProviderKeysRequest(request_id=request_id))


async def rotations(root: Person, expected: int) -> None:
    """Returns once the audit log tells of so many."""

    async def found() -> int:
        request = ListAuditEventsRequest(action="provider_key.rotate")
        return len((await root.operations.ListAuditEvents(request)).audit_events)

    await eventually(found, lambda number: number == expected)


async def test_reads_go_on_while_another_process_seals_all_anew(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    async with AsyncExitStack() as stack:
        # After the first restart of every process: the new key stands behind the old one.
        before = await stack.enter_async_context(house_with(folder, monkeypatch, OLD, NEW, bus_url=redis_url))
        user_ids = await settle(before, PEOPLE)
        assert master_keys(folder) == {OLD.id}

        over = asyncio.Event()
        # Whether each read was made before all was sealed anew.
        reads: list[bool] = []

        async def read_on(house: House) -> None:
            while not over.is_set():
                reads.extend([not over.is_set() async for _ in read_all(house, user_ids)])

        # The second restart puts it first; the process that begins with it seals all anew.
        reading = [asyncio.create_task(read_on(before)) for _ in range(3)]
        after = await stack.enter_async_context(house_with(folder, monkeypatch, NEW, OLD, bus_url=redis_url))
        so_far = len(reads)
        reading.append(asyncio.create_task(read_on(after)))
        await sealed_under(folder, NEW)
        over.set()
        await asyncio.gather(*reading)
        assert sum(reads[so_far:]) > 10
        assert len(reads) >= 2 * PEOPLE * len(reading)

        async with administrator(after) as root:
            report = await reencrypt(root)
            assert (report.current_key_id, report.reencrypted) == (NEW.id, 0)
            assert dict(report.keys) == {NEW.id: 2 * PEOPLE}
            await rotations(root, 1)

    # After the third restart the old one is gone.
    async with house_with(folder, monkeypatch, NEW, bus_url=redis_url) as house:
        assert await all_read(house, user_ids)


async def test_an_administrator_hears_what_each_master_key_still_seals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    async with house_with(folder, monkeypatch, OLD) as house:
        await settle(house, 2)
        former = bodies(folder, "users", "users")[0]
    async with house_with(folder, monkeypatch, NEW, OLD) as house, administrator(house) as root:
        await rotations(root, 1)
        # Somebody's record comes back from before, with one envelope damaged.
        record = UserRecord.FromString(former)
        record.api_keys.openai.encrypted_key = "AAAA"
        await plant(house, "users", USERS, record)

        first = await reencrypt(root, "once")
        assert (first.current_key_id, first.reencrypted) == (NEW.id, 1)
        assert dict(first.keys) == {NEW.id: 3, OLD.id: 1}
        assert await reencrypt(root, "once") == first
        again = await reencrypt(root)
        assert (again.reencrypted, dict(again.keys)) == (0, {NEW.id: 3, OLD.id: 1})
        await rotations(root, 2)


async def test_nobody_else_may_ask(house: House) -> None:
    person = await house.person()
    with refused(StatusCode.PERMISSION_DENIED):
        await reencrypt(person)


async def test_setting_master_keys_is_a_rotation_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    monkeypatch.delenv("LLMCHAT_MASTER_KEYS", raising=False)
    async with open_house(folder) as house:
        user_ids = await settle(house, 1)
        assert master_keys(folder) == {house.process.keys.derived("master").current.id}
    async with house_with(folder, monkeypatch, NEW) as house:
        assert await all_read(house, user_ids)
        await sealed_under(folder, NEW)
    async with house_with(folder, monkeypatch, NEW) as house:
        assert await all_read(house, user_ids)


async def test_what_is_deleted_while_all_is_sealed_anew_stays_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    async with house_with(folder, monkeypatch, OLD) as house:
        user_ids = await settle(house, 10)
    envelopes = [UserRecord.FromString(body).api_keys.openai.encrypted_key for body in bodies(folder, "users", "users")]
    async with house_with(folder, monkeypatch, NEW, OLD) as house, administrator(house) as root:

        async def delete(user_id: str) -> None:
            person = await house.person(user_id)
            await person.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=KEY_PROVIDER_OPENAI))

        await asyncio.gather(reencrypt(root), *(delete(user_id) for user_id in user_ids))
        assert dict((await reencrypt(root)).keys) == {NEW.id: 10}
    assert all(holding(folder, "users", envelope) == [] for envelope in envelopes)
