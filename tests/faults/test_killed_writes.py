"""A server that is killed at any moment: what it acknowledged is there, once, and the totals agree."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest

from tests.faults.calls import DEADLINE, all_ended, asking, messages_of, unless_killed, words
from tests.faults.conftest import ENGINES
from tests.faults.recounting import equals_a_recount
from tests.faults.server import Server
from tests.integration.calling import eventually
from tests.integration.conftest import Person
from tests.integration.watching import Seen, watch
from tests.standins.accounts import registration


class Writer:
    """Somebody who opens a thread and asks questions until the server is gone, and notes what was acknowledged."""

    def __init__(self, name: str, questions: list[str]) -> None:
        self.name = name
        self.questions = questions
        self.thread_id = ""
        self.asked = 0
        self.begun: list[Seen] = []

    def creation(self) -> CreateThreadRequest:
        return CreateThreadRequest(title=self.name, request_id=self.name)

    async def write(self, person: Person) -> None:
        self.thread_id = (await person.threads.CreateThread(self.creation())).id
        for number, question in enumerate(self.questions):
            self.asked = number + 1
            stream = person.messages.SendMessage(asking(self.thread_id, question, request_id=f"{self.name} {number}"))
            seen = Seen()
            seen.take(await anext(aiter(stream)))
            self.begun.append(seen)

    async def check(self, person: Person) -> None:
        """After the restart: repeats everything, and finds each thing there exactly once."""
        acknowledged = self.thread_id
        self.thread_id = (await person.threads.CreateThread(self.creation())).id
        assert self.thread_id == (acknowledged or self.thread_id)
        stored = {message.id: message for message in await messages_of(person, self.thread_id)}
        for seen, question in zip(self.begun, self.questions, strict=False):
            assert stored[stored[seen.message_id].question_id].content == question
        assert len(stored) in (2 * len(self.begun), 2 * self.asked), "a question and its answer come together"

        for number in range(self.asked):
            request = asking(self.thread_id, self.questions[number], request_id=f"{self.name} {number}")
            seen = await watch(person.messages.SendMessage(request))
            if number < len(self.begun):
                assert seen.message_id == self.begun[number].message_id
        messages = await eventually(partial(messages_of, person, self.thread_id), all_ended, within=DEADLINE)
        asked = [message.content for message in messages if message.role == ROLE_USER]
        assert asked == self.questions[: self.asked]
        assert [message.position for message in messages] == list(range(1, len(messages) + 1))
        await eventually(partial(thread_of, person, self.thread_id), partial(agrees, messages), within=DEADLINE)


@pytest.mark.parametrize("store_url", ENGINES, indirect=True)
async def test_what_was_acknowledged_is_there_once(server: Server, rounds: range, dice: random.Random) -> None:
    async with server.visit() as nobody:
        user_id = (await nobody.users.CreateUser(registration())).id
    for number in rounds:
        writers = [
            Writer(f"round {number} writer {place}", [words(dice.randint(1, 30)) + f" {n}" for n in range(15)])
            for place in range(6)
        ]
        async with server.visit(user_id) as anna:
            writing = [asyncio.create_task(unless_killed(writer.write(anna))) for writer in writers]
            await asyncio.sleep(dice.uniform(0, 0.25))
            await server.kill()
            await asyncio.gather(*writing)
        await server.start()
        async with server.visit(user_id) as anna:
            await asyncio.gather(*(writer.check(anna) for writer in writers))
    await equals_a_recount(server, user_id)


async def thread_of(person: Person, id: str) -> Thread:
    return await person.threads.GetThread(GetThreadRequest(id=id))


def agrees(messages: list[Message], thread: Thread) -> bool:
    """Whether the thread's totals are a recount of its messages."""
    answers = [message for message in messages if message.role == ROLE_ASSISTANT]
    tokens = sum(message.context_tokens + message.total_tokens for message in answers)
    usage = thread.models["echo"]
    return (thread.total_messages, usage.message_count, usage.total_tokens_used) == (len(messages),) * 2 + (tokens,)
