"""People's own keys for the makers of models: stored, shown as there, resolved for the messages service, shredded."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import (
    USER_STATUS_DELETED,
    USER_STATUS_SUSPENDED,
)
from llmchat.users.v1.users_service_pb2 import (
    DeleteProviderKeyRequest,
    ReencryptProviderKeysRequest,
    ReportProviderKeyRequest,
)

from libs.common.errors import NotFound
from libs.common.settings import SERVICES
from tests.integration.accounts import account, administrator
from tests.integration.calling import Refusal, refused
from tests.integration.conftest import House, Person, bearing
from tests.integration.provider_keys import (
    CLAUDE,
    GOOGLE,
    KEY,
    OPENAI,
    OTHER_KEY,
    acting_for,
    audited,
    change,
    record_of,
    resolve,
    shown,
    store,
)


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


@pytest.fixture
async def messages(house: House, ada: Person) -> AsyncIterator[Person]:
    async with acting_for(house, ada) as messages:
        yield messages


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
        async with acting_for(house, eve) as messages:
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
