"""`docker compose up`: five services in two replicas each on PostgreSQL and Redis, used from outside, and killed."""

from __future__ import annotations

import asyncio
import json
from io import StringIO

import pytest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED
from rich.console import Console

from libs.client import Answer, Client
from libs.client.commands.scripted import converse_by_script
from libs.client.printing import text_of
from libs.common.settings import SERVICES
from tests.containers.composition import REPLICAS, Composition, docker, health_of, state_of
from tests.integration.calling import eventually

QUESTION = " ".join(f"word{number}" for number in range(120))
# Seconds until the health check of a container that started has said how it is.
HEALTH = 60.0

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def healthy(*containers: str) -> None:
    """Returns once all are."""

    async def health() -> list[str]:
        return [health_of(container) for container in containers]

    await eventually(health, lambda found: set(found) == {"healthy"}, within=HEALTH)


async def back(container: str) -> None:
    """Starts what was killed; the restart policy is not for what the engine itself was told to kill."""
    docker("start", container)
    await healthy(container)


async def check_whole(ada: Client, answer: Answer) -> None:
    """What was seen is what is stored, every token once and in order."""
    stored = await ada.get_message(answer.message_id)
    assert answer.text == text_of(stored)
    assert answer.seq == len(stored.tokens.lengths)
    assert QUESTION.startswith(answer.text)


async def test_two_replicas_of_each_service_are_healthy(composition: Composition, token: str) -> None:
    replicas = {service: composition.containers(service) for service in SERVICES}

    assert {service: len(found) for service, found in replicas.items()} == dict.fromkeys(SERVICES, REPLICAS)
    await healthy(*(container for found in replicas.values() for container in found))


async def test_a_conversation_is_held_from_outside(composition: Composition, token: str) -> None:
    said = StringIO()

    await converse_by_script(composition.addresses, Console(file=said, width=200))

    assert "what was seen is, character for character, what is stored" in said.getvalue()
    assert "the conversation is now called" in said.getvalue()


async def test_an_answer_is_read_on_when_its_container_is_killed(composition: Composition, ada: Client) -> None:
    thread = await ada.create_thread()
    answers = [ada.send((await ada.create_thread()).id, "echo", QUESTION) for _ in range(4)]
    reading = [asyncio.create_task(answer.read()) for answer in answers]

    async def seen() -> list[int]:
        return [answer.seq for answer in answers]

    await eventually(seen, all, within=30)

    killed = composition.containers("messages")[0]
    docker("kill", killed)

    # Those of the other replica go on; those of the killed one are sealed with what was seen of them.
    for answer, ended in zip(answers, await asyncio.gather(*reading), strict=True):
        assert ended.status in (MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED)
        await check_whole(ada, answer)
    goes_on = ada.send(thread.id, "echo", "Still there?")
    assert (await goes_on.read()).status == MESSAGE_STATUS_COMPLETE
    assert goes_on.text == "Still there?"
    await back(killed)


async def test_no_call_fails_while_a_container_of_each_service_is_killed(composition: Composition, ada: Client) -> None:
    made = []
    for service in SERVICES:
        killed = composition.containers(service)[0]
        docker("kill", killed)
        made += [(await ada.create_thread(f"Without one of {service}")).id for _ in range(4)]
        assert (await ada.me()).username == "ada@example.com"
        assert [model.id async for model in ada.list_models()]
        docker("start", killed)

    threads = [thread.id async for thread in ada.list_threads() if thread.title.startswith("Without one of")]
    assert sorted(threads) == sorted(made)


async def test_nothing_that_was_acknowledged_is_lost_when_the_database_is_killed(
    composition: Composition, ada: Client
) -> None:
    thread = await ada.create_thread("Before the death")
    answer = ada.send(thread.id, "echo", QUESTION)
    await answer.read()
    [database] = composition.containers("postgres")

    docker("kill", database)
    assert state_of(database)["ExitCode"] == 137
    docker("start", database)

    async with Client(addresses=composition.addresses, token=ada.token, timeout=HEALTH) as patient:
        await check_whole(patient, answer)
        again = patient.send(thread.id, "echo", "And after it?")
        assert (await again.read()).status == MESSAGE_STATUS_COMPLETE
        assert [text_of(message) async for message in patient.list_messages(thread.id)] == [
            QUESTION,
            QUESTION,
            "And after it?",
            "And after it?",
        ]


async def test_redis_may_die(composition: Composition, ada: Client) -> None:
    [redis] = composition.containers("redis")
    docker("kill", redis)

    answer = ada.send((await ada.create_thread()).id, "echo", "Without Redis?")
    await answer.read()

    assert answer.text == "Without Redis?"
    docker("start", redis)


async def test_no_secret_is_in_what_the_engine_shows(composition: Composition, token: str) -> None:
    users, *_ = composition.containers("users")
    files = ("/var/lib/llmchat/secret.key", "/var/lib/llmchat/store.url")
    key, url = (docker("exec", users, "cat", file) for file in files)
    password = url.removeprefix("postgresql://llmchat:").partition("@")[0]

    shown = json.dumps(json.loads(docker("inspect", *composition.containers()))) + composition.compose("logs")

    assert len(password) == 43
    assert len(key) == 44
    assert key not in shown
    assert password not in shown
