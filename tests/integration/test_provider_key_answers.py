"""Answers and titles are asked for with the person's own key, else with the installation's: against a stand-in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, Message
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    GetMessageRequest,
    SendMessageRequest,
    SuggestTitleRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI, ProviderKeyStatus
from llmchat.users.v1.users_service_pb2 import DeleteProviderKeyRequest

from tests.integration.accounts import account
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.provider_keys import acting_for, change, shown, store
from tests.integration.watching import watch
from tests.standins.openai_server import StandInOpenAI, serve_openai
from tests.standins.provider_server import Reply, Then

INSTALLATIONS = "sk-of-the-installation"
ADAS = "sk-proj-canary-of-ada" + "a" * 40
EVES = "sk-proj-canary-of-eve" + "e" * 40


@pytest.fixture
async def openai() -> AsyncIterator[StandInOpenAI]:
    async with serve_openai() as stand_in:
        yield stand_in


@pytest.fixture
async def house(openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house whose OpenAI is the stand-in, with a key of its own."""
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", INSTALLATIONS)
    monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
    monkeypatch.setenv("LLMCHAT_PROVIDER_RETRIES", "0")
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


async def status(person: Person) -> ProviderKeyStatus:
    [found] = await shown(person)
    return found


async def new_thread(person: Person) -> str:
    # A title of its own: none is asked of the model.
    return (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id


async def ask(person: Person, thread_id: str = "") -> Message:
    """The answer as it ended."""
    request = SendMessageRequest(
        thread_id=thread_id or await new_thread(person),
        model_id="gpt-4.1",
        content="?",
        busy_policy=BUSY_POLICY_ENQUEUE,
    )
    seen = await watch(person.messages.SendMessage(request))
    return await person.messages.GetMessage(GetMessageRequest(id=seen.message_id))


class TestWhoseKey:
    async def test_ones_own_before_the_installations(self, ada: Person, openai: StandInOpenAI) -> None:
        openai.replies.extend(Reply(["ok"]) for _ in range(3))
        await ask(ada)
        await store(ada, ADAS)
        assert (await ask(ada)).status == MESSAGE_STATUS_COMPLETE
        await ada.users.DeleteProviderKey(DeleteProviderKeyRequest(provider=KEY_PROVIDER_OPENAI))
        await ask(ada)
        assert openai.keys == [INSTALLATIONS, ADAS, INSTALLATIONS]

    async def test_each_persons_own(self, house: House, ada: Person, openai: StandInOpenAI) -> None:
        eve = await account(house, "eve@example.org")
        await store(ada, ADAS)
        await store(eve, EVES)
        openai.replies.extend(Reply(["ok"], cuts=[7]) for _ in range(20))
        await asyncio.gather(*(ask(person) for _ in range(10) for person in (ada, eve)))
        assert sorted(openai.keys) == [ADAS] * 10 + [EVES] * 10

    async def test_that_of_the_moment_in_which_the_answer_begins(self, ada: Person, openai: StandInOpenAI) -> None:
        openai.replies += [Reply(["first"], held=["!"]), Reply(["second"])]
        await store(ada, ADAS)
        thread_id = await new_thread(ada)
        first = asyncio.create_task(ask(ada, thread_id))
        while not openai.requests:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(ask(ada, thread_id))
        await store(ada, EVES)
        openai.released.set()
        assert (await first).status == (await waiting).status == MESSAGE_STATUS_COMPLETE
        assert openai.keys == [ADAS, EVES]

    async def test_a_title_is_asked_for_with_it_too(self, house: House, ada: Person, openai: StandInOpenAI) -> None:
        await store(ada, ADAS)
        openai.replies += [Reply(["ok"]), Reply(["A title"])]
        thread_id = await new_thread(ada)
        await ask(ada, thread_id)
        async with acting_for(house, ada, "operations") as operations:
            request = SuggestTitleRequest(thread_id=thread_id, model_id="gpt-4.1")
            assert (await operations.messages.SuggestTitle(request)).title == "A title"
        assert openai.keys == [ADAS, ADAS]

    async def test_what_the_sdk_finds_in_the_environment_does_not_go_along(
        self, tmp_path: Path, openai: StandInOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
        for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
            monkeypatch.setenv(name, "from-the-environment")
        openai.replies.append(Reply(["ok"]))
        async with open_house(tmp_path / "data") as house:
            ada = await account(house)
            message = await ask(ada)
            assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_KEY_MISSING")
            await store(ada, ADAS)
            await ask(ada)
        [headers] = openai.headers
        assert "from-the-environment" not in headers.values()


class TestRefusedKeys:
    async def test_a_persons_refused_key_is_marked_and_not_used_again(
        self, ada: Person, openai: StandInOpenAI, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        await store(ada, ADAS)
        openai.replies += [Reply(status=401, error="invalid_api_key"), Reply(["ok"])]
        message = await ask(ada)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "AUTHENTICATION")
        assert not (await status(ada)).is_valid
        assert (await ask(ada)).status == MESSAGE_STATUS_COMPLETE
        assert openai.keys == [ADAS, INSTALLATIONS]
        assert "canary" not in str(message.error) + caplog.text

    async def test_a_title_marks_it_too(self, house: House, ada: Person, openai: StandInOpenAI) -> None:
        openai.replies += [Reply(["ok"]), Reply(status=401)]
        thread_id = await new_thread(ada)
        await ask(ada, thread_id)
        await store(ada, ADAS)
        async with acting_for(house, ada, "operations") as operations:
            with refused(StatusCode.FAILED_PRECONDITION) as refusal:
                await operations.messages.SuggestTitle(SuggestTitleRequest(thread_id=thread_id, model_id="gpt-4.1"))
        assert refusal.error.reason == "AUTHENTICATION"
        assert not (await status(ada)).is_valid

    @pytest.mark.parametrize(
        "reply",
        [Reply(status=403, error="model_not_found"), Reply(status=429), Reply(status=500), Reply(["half"], Then.CUT)],
        ids=["another model's", "rate limited", "failed", "broken off"],
    )
    async def test_another_failure_is_not_the_keys(self, ada: Person, openai: StandInOpenAI, reply: Reply) -> None:
        await store(ada, ADAS)
        openai.replies.append(reply)
        assert (await ask(ada)).status == MESSAGE_STATUS_FAILED
        assert (await status(ada)).is_valid

    async def test_the_installations_refused_key_is_nobodys(self, ada: Person, openai: StandInOpenAI) -> None:
        openai.replies.append(Reply(status=401))
        message = await ask(ada)
        assert message.error.code == "AUTHENTICATION"
        assert await shown(ada) == []


class TestNoKey:
    async def test_a_key_that_does_not_open_is_replaced_by_no_other(
        self, house: House, ada: Person, openai: StandInOpenAI
    ) -> None:
        await store(ada, ADAS)

        def spoil(record: UserRecord) -> None:
            record.api_keys.openai.key_id = "0" * 16

        await change(house, ada, spoil)
        message = await ask(ada)
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_KEY_UNREADABLE")
        assert "SetProviderKey" in message.error.message
        assert openai.requests == []

    async def test_with_the_users_service_away_it_is_nobodys(
        self, openai: StandInOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", INSTALLATIONS)
        monkeypatch.setenv("LLMCHAT_OPENAI_BASE_URL", openai.base_url)
        others = ("threads", "messages", "catalog", "operations")
        async with open_house(tmp_path / "data", *others) as house:
            message = await ask(await house.person())
        assert (message.status, message.error.code) == (MESSAGE_STATUS_FAILED, "PROVIDER_KEY_UNAVAILABLE")
        assert openai.requests == []
