"""The five services as processes of their own, two of each, with a real Redis between them, used by one client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import StringIO

import pytest
import pytest_asyncio
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, Message
from rich.console import Console

from libs.client import Answer, Client
from libs.client.apart import Apart
from libs.client.commands.scripted import converse_by_script
from libs.client.printing import text_of
from libs.client.replica import State
from libs.common.errors import Precondition
from libs.common.opening import open_process
from libs.common.process import Bootstrap
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from tests.integration.calling import eventually

PASSWORD = "correct horse battery"
QUESTION = " ".join(f"word{number}" for number in range(120))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Apart]:
    """A house whose echo model writes 40 tokens a second."""
    settings = {
        "LLMCHAT_ECHO_TOKENS_PER_SECOND": "40",
        "LLMCHAT_LEASE_SECONDS": "2",
        # Answers under way end by themselves, however busy the machine is.
        "LLMCHAT_STOP_GRACE": "30",
    }
    async with Apart(tmp_path_factory.mktemp("apart") / "data", replicas=2, settings=settings) as apart:
        yield apart


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(apart: Apart) -> str:
    """Ada's."""
    async with Client(addresses=apart.addresses) as client:
        await client.register("ada@example.com", "Ada", PASSWORD)
        return (await client.login("ada@example.com", PASSWORD)).access_token


@pytest_asyncio.fixture(loop_scope="module")
async def ada(apart: Apart, token: str) -> AsyncIterator[Client]:
    """Ada, in a house in which everything serves."""
    await apart.serving()
    async with Client(addresses=apart.addresses, token=token) as client:
        yield client


class Caller:
    """Calls again and again, each call soon after the answer to the one before, and counts."""

    def __init__(self, call: Callable[[], Awaitable[object]]) -> None:
        self._call = call
        self.answered = 0

    async def call_forever(self) -> None:
        while True:
            await self._call()
            self.answered += 1
            # What is left of the machine starts replicas.
            await asyncio.sleep(0.005)


@asynccontextmanager
async def calling(*calls: Callable[[], Awaitable[object]]) -> AsyncIterator[list[Caller]]:
    """Each of `calls` under way nearly all the time; leaving fails if any call did."""
    callers = [Caller(call) for call in calls for _ in range(2)]
    tasks = [asyncio.create_task(caller.call_forever()) for caller in callers]
    yield callers
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise AssertionError("a call failed") from ended


async def test_a_conversation_is_held_with_services_apart(apart: Apart) -> None:
    said = StringIO()

    await converse_by_script(apart.addresses, Console(file=said, width=200))

    assert "what was seen is, character for character, what is stored" in said.getvalue()
    assert "the conversation is now called" in said.getvalue()


async def test_every_replica_shows_the_same(apart: Apart, ada: Client) -> None:
    thread = await ada.create_thread("Seen from anywhere")

    for number in (1, 2):
        places = {**apart.addresses, "threads": apart.replica("threads", number).address}
        async with Client(addresses=places, token=ada.token) as client:
            assert (await client.get_thread(thread.id)).title == "Seen from anywhere"


async def test_no_call_fails_while_replicas_are_restarted_one_after_the_other(apart: Apart, ada: Client) -> None:
    thread = await ada.create_thread()
    calls = (lambda: ada.get_thread(thread.id), lambda: ada.create_thread("Made meanwhile"), ada.me)
    async with calling(*calls) as callers:
        for number in (1, 2):
            await asyncio.gather(*(apart.replica(name, number).restart() for name in ("threads", "users")))
    assert all(caller.answered for caller in callers)


async def test_no_call_fails_while_replicas_are_killed_one_after_the_other(apart: Apart, ada: Client) -> None:
    thread = await ada.create_thread()
    async with calling(lambda: ada.get_thread(thread.id), lambda: ada.create_thread("Made meanwhile")):
        for number in (1, 2):
            replica = apart.replica("threads", number)
            await replica.kill()
            await replica.serving()
    made = [thread.id async for thread in ada.list_threads() if thread.title == "Made meanwhile"]
    assert len(made) == len(set(made)) > 0


async def watched_answers(ada: Client) -> list[tuple[Answer, asyncio.Task[Message]]]:
    """Answers under way in four threads, each read to its end by a task; the first tokens of all have been seen."""
    threads = [await ada.create_thread() for _ in range(4)]
    answers = [ada.send(thread.id, "echo", QUESTION) for thread in threads]
    reading = [asyncio.create_task(answer.read()) for answer in answers]

    async def seen() -> list[int]:
        return [answer.seq for answer in answers]

    await eventually(seen, all)
    return list(zip(answers, reading, strict=True))


async def check_whole(ada: Client, answer: Answer) -> None:
    """What was seen is what is stored, every token once and in order."""
    stored = await ada.get_message(answer.message_id)
    assert answer.text == text_of(stored)
    assert answer.seq == len(stored.tokens.lengths)
    assert QUESTION.startswith(answer.text)


async def test_answers_go_on_at_another_replica_while_each_is_restarted(apart: Apart, ada: Client) -> None:
    watched = await watched_answers(ada)

    for number in (1, 2):
        await apart.replica("messages", number).restart()

    for answer, reading in watched:
        assert (await reading).status == MESSAGE_STATUS_COMPLETE
        await check_whole(ada, answer)


async def test_answers_are_read_on_when_every_replica_has_been_killed(apart: Apart, ada: Client) -> None:
    watched = await watched_answers(ada)

    await asyncio.gather(*(apart.replica("messages", number).kill() for number in (1, 2)))

    for answer, reading in watched:
        assert (await reading).status == MESSAGE_STATUS_FAILED
        assert answer.reopened > 0
        await check_whole(ada, answer)


async def test_redis_may_die(apart: Apart, ada: Client) -> None:
    await apart.replica("redis").kill()

    thread = await ada.create_thread()
    answer = ada.send(thread.id, "echo", "Still there?")
    await answer.read()
    await apart.replica("redis").serving()

    assert answer.text == "Still there?"
    assert apart.replica("redis").state is State.SERVING


@pytest.mark.parametrize("service", ["users", "threads", "messages", "operations"])
async def test_a_service_does_not_start_without_those_that_it_calls(service: str) -> None:
    alone: dict[str, Bootstrap] = {service: EMBEDDED[service]}

    with pytest.raises(Precondition, match=f"LLMCHAT_[A-Z]+_ADDRESS is not set: {service} calls"):
        async with open_process(Settings(listen="127.0.0.1:0", store_url="memory://"), alone):
            pass
