"""What an answer is asked with: its message's temperature and system prompt, else the thread's, the person's, the
system's; and whether it comes token by token.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest, StreamEvent
from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemDefaults, SystemFeatures
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, UpdateThreadRequest
from llmchat.users.v1.user_pb2 import User, UserSettings
from llmchat.users.v1.users_service_pb2 import GetUserRequest, UpdateUserRequest

from libs.common.access.initial_config import DEFAULT_SYSTEM_PROMPT, DEFAULT_TEMPERATURE
from tests.integration.accounts import account, administrator
from tests.integration.branching import ask, edit, regenerate
from tests.integration.conftest import House, Person, open_house
from tests.integration.watching import Seen, tokens_of, watch

INITIAL = (DEFAULT_TEMPERATURE, DEFAULT_SYSTEM_PROMPT)


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """Who says what holds for everybody."""
    async with administrator(house) as root:
        yield root


@pytest.fixture
async def ada(house: House) -> Person:
    """Somebody with an account."""
    return await account(house)


async def set_up(ada: Person, **settings: Any) -> None:
    """Ada's settings are these alone from now on."""
    user = User(id="me", settings=UserSettings(**settings))
    await ada.users.UpdateUser(UpdateUserRequest(user=user, update_mask=FieldMask(paths=["settings"])))


async def thread_of(ada: Person, **settings: Any) -> str:
    request = CreateThreadRequest(title="t", settings=ThreadSettings(**settings))
    return (await ada.threads.CreateThread(request)).id


async def change_thread(ada: Person, thread_id: str, *paths: str, **settings: Any) -> None:
    thread = Thread(id=thread_id, settings=ThreadSettings(**settings))
    await ada.threads.UpdateThread(UpdateThreadRequest(thread=thread, update_mask=FieldMask(paths=paths)))


async def configure(root: Person, *paths: str, **config: Any) -> None:
    request = UpdateSystemConfigRequest(system_config=SystemConfig(**config), update_mask=FieldMask(paths=paths))
    await root.operations.UpdateSystemConfig(request)


def manner(answer: Message) -> tuple[float, str]:
    """With what it was asked."""
    assert answer.HasField("temperature")
    return answer.temperature, answer.system_prompt


async def asked(ada: Person, thread_id: str, **fields: Any) -> tuple[float, str]:
    return manner(await ask(ada, thread_id, "Hello", **fields))


@dataclass(frozen=True)
class Case:
    """What each of them says: temperature and system prompt. None: nothing."""

    name: str
    expected: tuple[float, str]
    message: tuple[float | None, str] = (None, "")
    thread: tuple[float | None, str] = (None, "")
    person: tuple[float | None, str | None] = (None, None)


CASES = (
    Case("nobody says anything", INITIAL),
    Case("the person does", (0.1, "person"), person=(0.1, "person")),
    Case("the thread does", (0.2, "thread"), thread=(0.2, "thread")),
    Case("the message does", (0.3, "message"), message=(0.3, "message")),
    Case("thread before person", (0.2, "thread"), thread=(0.2, "thread"), person=(0.1, "person")),
    Case(
        "message before all",
        (0.3, "message"),
        message=(0.3, "message"),
        thread=(0.2, "thread"),
        person=(0.1, "person"),
    ),
    Case("each by itself", (0.3, "thread"), message=(0.3, ""), thread=(None, "thread"), person=(0.1, "person")),
    Case("nought is a temperature", (0, "person"), thread=(0, ""), person=(0.1, "person")),
    Case("a person may have no system prompt", (0.7, ""), person=(None, "")),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_the_nearest_that_says_something_holds(ada: Person, case: Case) -> None:
    temperature, prompt = case.person
    await set_up(ada, default_temperature=temperature, system_prompt=prompt)
    thread_id = await thread_of(ada, temperature=case.thread[0], system_prompt=case.thread[1])

    assert await asked(ada, thread_id, temperature=case.message[0], system_prompt=case.message[1]) == case.expected


async def test_what_is_changed_holds_for_the_next_message(ada: Person, root: Person) -> None:
    thread_id = await thread_of(ada)
    assert await asked(ada, thread_id) == INITIAL

    defaults = SystemDefaults(temperature=0.5, system_prompt="system")
    await configure(root, "defaults.temperature", "defaults.system_prompt", defaults=defaults)
    assert await asked(ada, thread_id) == (0.5, "system")

    await set_up(ada, default_temperature=0.1, system_prompt="person")
    assert await asked(ada, thread_id) == (0.1, "person")

    await change_thread(ada, thread_id, "settings", temperature=0.2, system_prompt="thread")
    assert await asked(ada, thread_id) == (0.2, "thread")

    await change_thread(ada, thread_id, "settings.temperature")
    assert await asked(ada, thread_id) == (0.1, "thread")

    await change_thread(ada, thread_id, "settings.system_prompt")
    await set_up(ada)
    assert await asked(ada, thread_id) == (0.5, "system")


async def test_who_has_set_nothing_is_shown_what_holds(ada: Person, root: Person) -> None:
    before = (await ada.users.GetUser(GetUserRequest(id="me"))).settings
    assert (before.default_temperature, before.system_prompt, before.streaming_enabled) == (*INITIAL, True)

    await configure(root, "defaults.system_prompt", defaults=SystemDefaults(system_prompt="Speak in verse."))
    after = (await ada.users.GetUser(GetUserRequest(id="me"))).settings
    assert after.system_prompt == "Speak in verse."

    await set_up(ada, system_prompt="Be brief.")
    await configure(root, "defaults.system_prompt", defaults=SystemDefaults(system_prompt="Speak in prose."))
    assert (await ada.users.GetUser(GetUserRequest(id="me"))).settings.system_prompt == "Be brief."


async def test_a_question_that_is_asked_otherwise_is_asked_as_a_new_one(ada: Person) -> None:
    thread_id = await thread_of(ada, system_prompt="thread")
    answer = await ask(ada, thread_id, "Hello", system_prompt="message")
    await set_up(ada, default_temperature=0.1)

    assert manner(await edit(ada, answer.question_id, "Hello?")) == (0.1, "thread")
    assert manner(await regenerate(ada, answer.id)) == (DEFAULT_TEMPERATURE, "message"), "as it was"


async def test_another_persons_settings_are_theirs(house: House, ada: Person) -> None:
    await set_up(ada, system_prompt="Ada's")
    bob = await account(house, "bob@example.org")

    assert await asked(ada, await thread_of(ada)) == (DEFAULT_TEMPERATURE, "Ada's")
    assert await asked(bob, await thread_of(bob)) == INITIAL


async def test_with_the_users_service_away_the_next_in_the_order_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path, "threads", "messages", "catalog", "operations") as house:
        anna = await house.person()
        assert await asked(anna, await thread_of(anna, temperature=0.2)) == (0.2, DEFAULT_SYSTEM_PROMPT)


async def test_another_replica_hears_of_a_change_within_a_second(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path, bus_url=redis_url) as one, open_house(tmp_path, bus_url=redis_url) as other:
        here = await account(one)
        there = await other.person(here.user_id)
        thread_id = await thread_of(here)
        # Both know, and the bus is there.
        assert await asked(here, thread_id) == await asked(there, thread_id) == INITIAL

        await set_up(here, system_prompt="person")
        await soon(lambda: asked(there, thread_id), (DEFAULT_TEMPERATURE, "person"))

        await change_thread(here, thread_id, "settings.temperature", temperature=0.2)
        await soon(lambda: asked(there, thread_id), (0.2, "person"))


async def soon(ask: Callable[[], Awaitable[tuple[float, str]]], expected: tuple[float, str]) -> None:
    """Whoever asks from a second later on is asked with that."""
    begun_at = time.monotonic()
    asked_at = begun_at
    while (answer := await ask()) != expected:
        assert asked_at - begun_at < 1, f"still {answer}"
        asked_at = time.monotonic()


# In one piece


LONG = " ".join(f"word{number}" for number in range(300))


async def events_of(ada: Person, thread_id: str) -> list[StreamEvent]:
    request = SendMessageRequest(thread_id=thread_id, model_id="echo", content=LONG)
    return [event async for event in ada.messages.SendMessage(request)]


@pytest.mark.parametrize("whose", ["the person's", "the system's"])
async def test_who_does_not_want_a_stream_gets_the_answer_in_one_piece(ada: Person, root: Person, whose: str) -> None:
    thread_id = await thread_of(ada)
    if whose == "the person's":
        await set_up(ada, streaming_enabled=False)
    else:
        await configure(root, "features.streaming", features=SystemFeatures(streaming=False))

    events = await events_of(ada, thread_id)

    assert [event.WhichOneof("event") for event in events] == ["started", "tokens", "ended"]
    assert "".join(events[1].tokens.tokens) == LONG
    assert events[2].seq == len(events[1].tokens.tokens)

    seen = Seen(events[0].message_id, list(events[1].tokens.tokens[:10]))
    await watch(ada.messages.StreamTokens(seen.rest()), seen)
    assert seen.text == LONG


async def test_what_comes_in_one_piece_is_stored_as_it_comes(ada: Person) -> None:
    await set_up(ada, streaming_enabled=False)
    answer = await ask(ada, await thread_of(ada), LONG)

    assert len(tokens_of(answer)) == 300
