"""Answers: sent, followed, left, resumed and cancelled on any replica, while writers die, freeze and are replaced.

Every token that was seen is in the final answer, each once and in order; every stream ends; every answer ends once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from llmchat.messages.v1.message_pb2 import (
    ROLE_ASSISTANT,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    BUSY_POLICY_REJECT,
    CancelGenerationRequest,
    SendMessageRequest,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.user_pb2 import User
from llmchat.users.v1.users_service_pb2 import CreateUserRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.errors import Exhausted, Precondition
from services.messages.collections import MESSAGES
from services.messages.rules import has_ended
from tests.simulation.client import Person, Reader
from tests.simulation.house import House
from tests.simulation.orphans import orphans
from tests.simulation.scenarios.answers import AnswersEndOnce, check_answer, check_conversations, check_reader
from tests.simulation.simulation import Simulation

_ENDS_WITHIN = 120.0
_MODEL = "echo"


async def run(simulation: Simulation) -> None:
    """Converses through storms, waits for the calm, and compares what was seen with what is stored."""
    house = House(simulation)
    with house.patched():
        await _Conversations(simulation, house).run()


class _Conversations:
    def __init__(self, simulation: Simulation, house: House) -> None:
        self._simulation = simulation
        self._house = house
        # Nobody before they have registered.
        self._person = Person(simulation, "")
        self._readers: list[Reader] = []
        # Those who have sent something.
        self._senders: list[Reader] = []
        self._threads: list[str] = []
        self._under_way: list[asyncio.Task[None]] = []
        self._ends = AnswersEndOnce(simulation)

    async def run(self) -> None:
        simulation, random = self._simulation, self._simulation.random
        # All of them hear of answers that have ended.
        others = dict.fromkeys(("catalog", "users", "threads", "operations"), 1)
        self._house.start({**others, "messages": random.choice((1, 2, 2, 3))})
        simulation.storm()
        async with asyncio.TaskGroup() as tasks:
            self._person = Person(simulation, await self._register())
            load = [self._begin(tasks, self._converse(tasks)) for _ in range(random.randint(1, 2))]
            await asyncio.wait(load, timeout=random.choice((5, 20, 40)))
            simulation.calm()
            await simulation.settled(self._is_over, _ENDS_WITHIN, "all answers have ended for all who read them")
        await simulation.settled(simulation.is_settled, _ENDS_WITHIN, "all events are settled")
        self._check()

    def _begin(self, tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = tasks.create_task(work)
        self._under_way.append(task)
        return task

    def _is_over(self) -> bool:
        return all(task.done() for task in self._under_way)

    async def _register(self) -> str:
        request = CreateUserRequest(
            username="person@example.com", display_name="Ada", password="correct", request_id="register"
        )
        user: User = await self._person.ask("users", UsersServiceStub, "CreateUser", request)
        return user.id

    async def _converse(self, tasks: asyncio.TaskGroup) -> None:
        """One thread, in which one thing after the other is said, or at once."""
        random = self._simulation.random
        request = CreateThreadRequest(title="It has one", request_id=self._person.request_id())
        thread = await self._person.ask("threads", ThreadsServiceStub, "CreateThread", request)
        self._threads.append(thread.id)
        sends = []
        for _ in range(random.randint(1, 4)):
            send = self._begin(tasks, self._send(tasks, thread.id))
            sends.append(send)
            if random.random() < 0.5:
                await asyncio.wait([send], timeout=random.choice((0.01, 1, 10)))
        await asyncio.wait(sends)

    async def _send(self, tasks: asyncio.TaskGroup, thread_id: str) -> None:
        random = self._simulation.random
        request = SendMessageRequest(
            thread_id=thread_id,
            model_id=_MODEL,
            content="Tell me",
            busy_policy=random.choice((BUSY_POLICY_REJECT, BUSY_POLICY_ENQUEUE, BUSY_POLICY_INTERRUPT)),
            request_id=self._person.request_id(),
        )
        reader = Reader(self._person)
        self._readers.append(reader)
        company = self._begin(tasks, self._accompany(tasks, reader))
        try:
            await reader.send(request)
        except (Precondition, Exhausted) as refused:
            self._simulation.require(
                refused.reason in ("THREAD_BUSY", "QUEUE_FULL"), f"a message is refused: {refused.reason}"
            )
            self._readers.remove(reader)
            company.cancel()
        else:
            self._senders.append(reader)

    async def _accompany(self, tasks: asyncio.TaskGroup, first: Reader) -> None:
        """Others who read the same answer from a token that the first one has seen, and one who may cancel it."""
        random = self._simulation.random
        for _ in range(random.randint(0, 2)):
            await asyncio.sleep(random.choice((0.0, 0.1, 1)))
            while not first.message_id:
                await asyncio.sleep(0.02)
            reader = Reader(self._person, random.randint(0, first.seq))
            self._readers.append(reader)
            self._begin(tasks, reader.read(first.message_id))
        if random.random() < 0.3:
            while not first.message_id:
                await asyncio.sleep(0.1)
            await asyncio.sleep(random.choice((0.0, 0.05, 1)))
            await self._cancel(first.message_id)

    async def _cancel(self, message_id: str) -> None:
        request = CancelGenerationRequest(message_id=message_id, request_id=self._person.request_id())
        answer: Message = await self._person.ask("messages", MessagesServiceStub, "CancelGeneration", request)
        self._simulation.require(has_ended(answer), f"{message_id}: cancelled, and it has not ended")

    def _check(self) -> None:
        simulation = self._simulation
        answers = {one.id: one for one in simulation.engine("messages").all(MESSAGES) if one.role == ROLE_ASSISTANT}
        sent = sorted(sender.message_id for sender in self._senders)
        simulation.require(sorted(answers) == sent, f"stored are {sorted(answers)}, acknowledged {sent}")
        for reader in self._readers:
            simulation.require(not reader.is_gone, f"{reader.message_id}: acknowledged, and gone")
            if reader.message_id in answers:
                check_reader(simulation, reader, answers[reader.message_id])
        for answer in answers.values():
            check_answer(simulation, self._house, answer)
        for orphan in orphans(simulation.engines):
            simulation.violate(orphan)
        check_conversations(simulation)
