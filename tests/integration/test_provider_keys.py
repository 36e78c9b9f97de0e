"""People's own keys for the makers of models: stored, shown as there, resolved for the messages service, shredded."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import (
    KEY_PROVIDER_CLAUDE,
    KEY_PROVIDER_GOOGLE,
    KEY_PROVIDER_OPENAI,
    USER_STATUS_DELETED,
    USER_STATUS_SUSPENDED,
    ProviderKeyStatus,
)
from llmchat.users.v1.users_service_pb2 import (
    DeleteProviderKeyRequest,
    DeleteUserRequest,
    GetUserRequest,
    ReencryptProviderKeysRequest,
    ReportProviderKeyRequest,
    ResolveProviderKeyRequest,
    ResolveProviderKeyResponse,
    SetProviderKeyRequest,
)

from libs.common.errors import NotFound
from libs.common.settings import SERVICES
from services.users.collections import USERS
from tests.integration.accounts import account, administrator
from tests.integration.calling import Refusal, eventually, refused
from tests.integration.conftest import House, Person, bearing, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.tables import bodies, holding

CLAUDE, OPENAI, GOOGLE = KEY_PROVIDER_CLAUDE, KEY_PROVIDER_OPENAI, KEY_PROVIDER_GOOGLE
KEY = "sk-proj-canary" + "k" * 40
OTHER_KEY = "sk-proj-canary" + "o" * 40


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


@pytest.fixture
async def messages(house: House, ada: Person) -> AsyncIterator[Person]:
    """The messages service, acting for Ada."""
    token, _ = house.process.tokens.issue_service("messages", ada.user_id, False)
    async with bearing(house.address, token, ada.user_id) as messages:
        yield messages


async def store(person: Person, key: str = KEY, provider: Any = OPENAI, **more: Any) -> ProviderKeyStatus:
    return await person.users.SetProviderKey(SetProviderKeyRequest(provider=provider, api_key=key, **more))


async def resolve(service: Person, provider: Any = OPENAI) -> ResolveProviderKeyResponse:
    return await service.users.ResolveProviderKey(ResolveProviderKeyRequest(provider=provider))


async def shown(person: Person) -> list[ProviderKeyStatus]:
    return list((await person.users.GetUser(GetUserRequest(id="me"))).provider_keys)


async def record_of(house: House, person: Person) -> UserRecord:
    return await (await documents_of(house, "users")).get(USERS, person.user_id)


async def change(house: House, person: Person, how: Callable[[UserRecord], None]) -> None:
    """Does to the stored account what no rule would allow."""
    record = await record_of(house, person)
    how(record)
    await plant(house, "users", USERS, record)


async def audited(house: House, expected: int) -> list[tuple[str, str, str, str]]:
    """Action, actor, provider and failure of what was done with provider keys, oldest first, once there is so much."""
    async with administrator(house) as root:

        async def events() -> list[tuple[str, str, str, str]]:
            found = (await root.operations.ListAuditEvents(ListAuditEventsRequest(page_size=100))).audit_events
            return [
                (event.action.removeprefix("provider_key."), event.actor, event.entity_id, event.failure)
                for event in sorted(found, key=lambda event: (event.at.ToNanoseconds(), event.id))
                if event.action.startswith("provider_key.")
            ]

        return await eventually(events, lambda found: len(found) >= expected)


class TestStoring:
    async def test_a_key_is_shown_as_there_and_never_itself(self, ada: Person) -> None:
        status = await store(ada)
        assert (status.provider, status.is_valid, status.HasField("last_used_at")) == (OPENAI, True, False)
        assert status.HasField("set_at")
        assert await shown(ada) == [status]
        claude = await store(ada, "sk-ant-api03-" + "c" * 90, CLAUDE)
        assert await shown(ada) == [claude, status]

    async def test_another_key_takes_its_place(self, ada: Person, messages: Person) -> None:
        await store(ada)
        first = await resolve(messages)
        status = await store(ada, OTHER_KEY)
        assert not status.HasField("last_used_at")
        second = await resolve(messages)
        assert (first.api_key, second.api_key) == (KEY, OTHER_KEY)
        assert first.key_hash != second.key_hash

    async def test_a_repeated_request_is_one(self, house: House, ada: Person) -> None:
        first = await store(ada, request_id="r")
        assert await store(ada, request_id="r") == first
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await store(ada, OTHER_KEY, request_id="r")
        assert refusal.error.reason == "REQUEST_ID_REUSED"
        assert [action for action, *_ in await audited(house, 1)] == ["update"]

    @pytest.mark.parametrize("key", ["sk-ant-canary-000000000000", "sk-canary with spaces", "canary" * 10])
    async def test_what_is_no_key_of_the_providers_is_refused_and_not_repeated(self, ada: Person, key: str) -> None:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await store(ada, key)
        assert refusal.fields == {"api_key"}
        assert "canary" not in refusal.error.text
        assert await shown(ada) == []

    async def test_a_deleted_key_is_gone(self, ada: Person, messages: Person) -> None:
        await store(ada)
        google = await store(ada, "AIza" + "g" * 35, GOOGLE)
        for _ in range(2):
            await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=OPENAI, request_id="once"))
        assert await shown(ada) == [google]
        with refused(StatusCode.NOT_FOUND):
            await resolve(messages)
        with refused(StatusCode.NOT_FOUND):
            await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=OPENAI))

    async def test_a_deletion_that_stopped_halfway_is_finished_by_the_next_look(
        self, house: House, ada: Person
    ) -> None:
        def overwrite(record: UserRecord) -> None:
            record.api_keys.openai.encrypted_key, record.api_keys.openai.key_id = "noise", ""

        await store(ada)
        await change(house, ada, overwrite)
        assert await shown(ada) == []
        async with administrator(house) as root:
            await root.users.ReencryptProviderKeys(ReencryptProviderKeysRequest())
        assert not (await record_of(house, ada)).api_keys.HasField("openai")


class TestResolving:
    async def test_the_key_and_when_it_was_used(self, house: House, ada: Person, messages: Person) -> None:
        await store(ada)
        assert (await resolve(messages)).api_key == KEY
        [status] = await shown(ada)
        assert status.HasField("last_used_at")
        assert await audited(house, 2) == [
            ("update", ada.user_id, "openai", ""),
            ("use", ada.user_id, "openai", ""),
        ]

    async def test_many_answers_at_once_do_not_contend(self, house: House, ada: Person, messages: Person) -> None:
        await store(ada)
        answers = await asyncio.gather(*(resolve(messages) for _ in range(64)))
        assert {answer.api_key for answer in answers} == {KEY}
        assert len(await audited(house, 65)) == 65

    async def test_who_has_none(self, messages: Person) -> None:
        with refused(StatusCode.NOT_FOUND) as refusal:
            await resolve(messages, CLAUDE)
        assert isinstance(refusal.error, NotFound)
        assert refusal.error.metadata == {"kind": "provider_key", "id": "claude"}

    async def test_a_service_that_acts_for_nobody_finds_nothing(self, house: House) -> None:
        token, _ = house.process.tokens.issue_service("messages", "", False)
        async with bearing(house.address, token, "") as nobodys:
            with refused(StatusCode.NOT_FOUND):
                await resolve(nobodys)

    @pytest.mark.parametrize("status", [USER_STATUS_SUSPENDED, USER_STATUS_DELETED])
    async def test_an_account_that_is_not_active_has_none(
        self, house: House, ada: Person, messages: Person, status: Any
    ) -> None:
        await store(ada)
        key_hash = (await resolve(messages)).key_hash
        await change(house, ada, lambda record: setattr(record, "status", status))
        with refused(StatusCode.NOT_FOUND):
            await resolve(messages)
        with refused(StatusCode.NOT_FOUND):
            await messages.users.ReportProviderKey(ReportProviderKeyRequest(provider=OPENAI, key_hash=key_hash))

    async def test_nobody_but_the_messages_service_may(self, house: House, ada: Person) -> None:
        await store(ada)
        tokens = house.process.tokens
        callers = [tokens.issue_user(ada.user_id, is_admin)[0] for is_admin in (False, True)]
        callers += [tokens.issue_service(name, ada.user_id, True)[0] for name in SERVICES if name != "messages"]
        for token in callers:
            async with bearing(house.address, token, ada.user_id) as caller:
                with refused(StatusCode.PERMISSION_DENIED):
                    await resolve(caller)
                with refused(StatusCode.PERMISSION_DENIED):
                    await caller.users.ReportProviderKey(ReportProviderKeyRequest(provider=OPENAI, key_hash="x"))


class TestRefusedKeys:
    async def test_a_key_that_its_provider_refused_is_not_given_out_again(
        self, house: House, ada: Person, messages: Person
    ) -> None:
        await store(ada)
        report = ReportProviderKeyRequest(provider=OPENAI, key_hash=(await resolve(messages)).key_hash)
        for _ in range(2):
            await messages.users.ReportProviderKey(report)
        [status] = await shown(ada)
        assert not status.is_valid
        with refused(StatusCode.NOT_FOUND):
            await resolve(messages)
        assert [action for action, *_ in await audited(house, 3)] == ["update", "use", "invalidate"]

        assert (await store(ada)).is_valid
        assert (await resolve(messages)).api_key == KEY

    async def test_a_report_about_a_key_that_was_replaced_changes_nothing(self, ada: Person, messages: Person) -> None:
        await store(ada)
        key_hash = (await resolve(messages)).key_hash
        await store(ada, OTHER_KEY)
        for reported in (key_hash, "é"):
            await messages.users.ReportProviderKey(ReportProviderKeyRequest(provider=OPENAI, key_hash=reported))
        assert (await shown(ada))[0].is_valid


class TestUnreadableKeys:
    @staticmethod
    async def resolved(service: Person, provider: Any = OPENAI) -> Refusal:
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await resolve(service, provider)
        assert refusal.error.reason == "PROVIDER_KEY_UNREADABLE"
        return refusal

    async def test_moved_to_another_person(self, house: House, ada: Person) -> None:
        eve = await account(house, "eve@example.org")
        await store(ada)
        stolen = (await record_of(house, ada)).api_keys
        await change(house, eve, lambda record: record.api_keys.CopyFrom(stolen))
        token, _ = house.process.tokens.issue_service("messages", eve.user_id, False)
        async with bearing(house.address, token, eve.user_id) as messages:
            await self.resolved(messages)
        assert (await audited(house, 2))[-1] == ("use", eve.user_id, "openai", "PROVIDER_KEY_UNREADABLE")

    async def test_moved_to_another_provider(self, house: House, ada: Person, messages: Person) -> None:
        await store(ada)
        await change(house, ada, lambda record: record.api_keys.claude.CopyFrom(record.api_keys.openai))
        refusal = await self.resolved(messages, CLAUDE)
        assert refusal.error.text == (
            "the key that is stored for claude cannot be read: store it again with SetProviderKey"
        )
        assert (await resolve(messages)).api_key == KEY

    async def test_under_a_master_key_that_is_not_there(self, house: House, ada: Person, messages: Person) -> None:
        await store(ada)
        await change(house, ada, lambda record: setattr(record.api_keys.openai, "key_id", "0" * 16))
        await self.resolved(messages)

    async def test_with_a_byte_changed(self, house: House, ada: Person, messages: Person) -> None:
        await store(ada)
        envelope = bytearray(base64.b64decode((await record_of(house, ada)).api_keys.openai.encrypted_key))
        for at in (0, 11, 12, len(envelope) // 2, len(envelope) - 1):
            changed = envelope.copy()
            changed[at] ^= 1
            encoded = base64.b64encode(changed).decode()
            await change(house, ada, lambda record, key=encoded: setattr(record.api_keys.openai, "encrypted_key", key))  # type: ignore[misc]
            await self.resolved(messages)


def sealed_in(folder: Path) -> tuple[str, str]:
    """Envelope and hash of the one key that is stored."""
    [user] = [UserRecord.FromString(body) for body in bodies(folder, "users", "users")]
    return user.api_keys.openai.encrypted_key, user.api_keys.openai.key_hash


class TestTraces:
    """What is found where by whoever has the files."""

    @pytest.mark.parametrize("way", ["replaced", "deleted", "account deleted"])
    async def test_nothing_is_left_of_what_was_overwritten(
        self, house: House, ada: Person, tmp_path: Path, way: str
    ) -> None:
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

    async def test_a_closed_file_has_no_trace_of_it_either(self, tmp_path: Path) -> None:
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
        self, house: House, ada: Person, messages: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
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
    async with open_house(tmp_path / "data") as house:
        token, _ = house.process.tokens.issue_service("messages", ada.user_id, False)
        async with bearing(house.address, token, ada.user_id) as messages:
            assert (await resolve(messages)).api_key == KEY
