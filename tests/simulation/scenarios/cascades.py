"""People whose threads, and who themselves, are deleted while everything else goes on.

No orphan remains, every deletion completes and is complete, what others were told is stored is there, totals are right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    BUSY_POLICY_REJECT,
    DeleteMessageRequest,
    EditMessageRequest,
    GetMessageRequest,
    RegenerateMessageRequest,
    SelectVersionRequest,
    SendMessageRequest,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, Operation
from llmchat.operations.v1.operations_service_pb2 import CheckIntegrityRequest, CheckSummary, WatchOperationRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest, WatchThreadsRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.users_service_pb2 import CreateUserRequest, DeleteUserRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.errors import Exhausted, NotFound, Precondition
from services.operations.collections import OPERATIONS
from services.operations.operation import has_ended
from services.threads.collections import THREADS
from tests.simulation.client import TRANSIENT, Person, Reader
from tests.simulation.house import House
from tests.simulation.scenarios.aftermath import Aftermath, Inhabitant, Removed
from tests.simulation.scenarios.answers import AnswersEndOnce
from tests.simulation.simulation import Simulation

_ENDS_WITHIN = 150.0
_SEEN_WITHIN = 30.0
_MODELS = ("gpt-5", "gpt-5-mini", "claude-3.5-sonnet")


async def run(simulation: Simulation) -> None:
    """Lives through storms, waits for the calm, and looks for what should not be there, and for what should."""
    house = House(simulation)
    with house.patched():
        await _Town(simulation, house).run()


class _Town:
    def __init__(self, simulation: Simulation, house: House) -> None:
        self._simulation = simulation
        self._house = house
        self._inhabitants: list[Inhabitant] = []
        # Deprecated models, and what replaces each.
        self._deprecated: dict[str, str] = {}
        self._under_way: list[asyncio.Task[None]] = []
        self._watching: list[asyncio.Task[None]] = []
        self._removed = Removed(simulation)
        self._ends = AnswersEndOnce(simulation)

    async def run(self) -> None:
        simulation, random = self._simulation, self._simulation.random
        few = (1, 1, 2)
        self._house.start(
            {
                "catalog": 1,
                "users": random.choice(few),
                "threads": random.choice(few),
                "messages": random.choice((1, 2, 2, 3)),
                "operations": random.choice(few),
            }
        )
        simulation.storm()
        async with asyncio.TaskGroup() as tasks:
            load = [self._begin(tasks, self._live(tasks, number)) for number in range(random.randint(1, 3))]
            if simulation.chance(0.3):
                load.append(self._begin(tasks, self._deprecate()))
            await asyncio.wait(load, timeout=random.choice((5, 20, 40)))
            simulation.calm()
            await simulation.settled(self._is_over, _ENDS_WITHIN, "everything that was asked for is done")
            await simulation.settled(self._is_settled, _ENDS_WITHIN, "all events are settled, all operations ended")
            await simulation.settled(self._is_seen, _SEEN_WITHIN, "all changes are seen by those who watch")
            for task in self._watching:
                task.cancel()
        if simulation.chance(0.1):
            await self._ask_for_orphans()
        Aftermath(simulation, self._house, self._inhabitants, self._deprecated, self._removed).check()

    def _begin(self, tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = tasks.create_task(work)
        self._under_way.append(task)
        return task

    def _is_over(self) -> bool:
        return all(task.done() for task in self._under_way)

    def _is_settled(self) -> bool:
        operations = self._simulation.engine("operations").all(OPERATIONS)
        return self._simulation.is_settled() and all(has_ended(operation) for operation in operations)

    def _is_seen(self) -> bool:
        stored = self._simulation.engine("threads").all(THREADS)
        return all(
            one.view == {thread.id: thread for thread in stored if thread.user_id == one.user_id}
            for one in self._inhabitants
            if one.view is not None
        )

    # What people do.

    async def _live(self, tasks: asyncio.TaskGroup, number: int) -> None:
        random = self._simulation.random
        request = CreateUserRequest(
            username=f"person{number}@example.com", display_name="Ada", password="correct", request_id=f"{number}"
        )
        user = await Person(self._simulation, "").ask("users", UsersServiceStub, "CreateUser", request)
        one, person = Inhabitant(user.id), Person(self._simulation, user.id)
        self._inhabitants.append(one)
        if random.random() < 0.3:
            self._watching.append(tasks.create_task(self._watch(one, person)))
        for _ in range(random.randint(0, 3)):
            self._begin(tasks, self._keep_thread(tasks, one, person))
            await asyncio.sleep(random.choice((0, 0.01, 1)))
        if random.random() < 0.6:
            await asyncio.sleep(random.choice((0, 0.1, 1, 5)))
            await self._leave(one, person)

    async def _watch(self, one: Inhabitant, person: Person) -> None:
        """Watches the person's threads, from the beginning wherever the stream breaks."""
        while True:
            one.view = {}
            try:
                async for change in person.stub("threads", ThreadsServiceStub).WatchThreads(WatchThreadsRequest()):
                    if change.HasField("thread"):
                        one.view[change.thread.id] = change.thread
                    else:
                        one.view.pop(change.deleted_id, None)
            except TRANSIENT:
                await person.pause()

    async def _keep_thread(self, tasks: asyncio.TaskGroup, one: Inhabitant, person: Person) -> None:
        random = self._simulation.random
        try:
            request = CreateThreadRequest(request_id=person.request_id())
            thread = await person.ask("threads", ThreadsServiceStub, "CreateThread", request)
        except NotFound:
            self._simulation.require(one.is_leaving, f"{one.user_id} may make no thread")
            return
        one.threads.append(thread.id)
        one.readers[thread.id] = []
        for _ in range(random.randint(0, 3)):
            self._begin(tasks, self._say(one, person, thread.id))
            await asyncio.sleep(random.choice((0, 0.01, 1)))
        if random.random() < 0.4:
            await asyncio.sleep(random.choice((0, 0.1, 1, 5)))
            await self._delete_thread(one, person, thread.id)

    async def _say(self, one: Inhabitant, person: Person, thread_id: str) -> None:
        random = self._simulation.random
        model_id = random.choice(_MODELS)
        request = SendMessageRequest(
            thread_id=thread_id,
            model_id=model_id,
            content="Tell me",
            busy_policy=random.choice((BUSY_POLICY_REJECT, BUSY_POLICY_ENQUEUE, BUSY_POLICY_INTERRUPT)),
            request_id=person.request_id(),
        )
        reader = Reader(person)
        try:
            await reader.send(request)
        except (Precondition, Exhausted) as refused:
            expected = refused.reason in ("THREAD_BUSY", "QUEUE_FULL") or model_id in self._deprecated
            self._simulation.require(expected, f"a message is refused: {refused.reason}")
        except NotFound as refused:
            going = one.is_leaving or thread_id in one.deleting
            self._simulation.require(going, f"a message is refused, and all is there: {refused.text}")
        if reader.message_id:
            one.readers[thread_id].append(reader)
            for _ in range(random.choice((0, 0, 1, 3))):
                await self._say_otherwise(one, person, thread_id, reader.message_id)

    async def _say_otherwise(self, one: Inhabitant, person: Person, thread_id: str, message_id: str) -> None:
        """Has another version made of an answer or its question, chooses one, or deletes it with all that follows."""
        random, reader, request_id = self._simulation.random, Reader(person), person.request_id()
        step = random.choice(("edit", "regenerate", "regenerate", "select", "delete"))
        if step == "delete":
            one.trimmed.add(thread_id)
        try:
            answer = await person.ask("messages", MessagesServiceStub, "GetMessage", GetMessageRequest(id=message_id))
            place = random.choice((answer.id, answer.question_id))
            match step:
                case "edit":
                    edit = EditMessageRequest(
                        message_id=answer.question_id, content="Tell me this", request_id=request_id
                    )
                    edit.busy_policy = random.choice((BUSY_POLICY_REJECT, BUSY_POLICY_ENQUEUE, BUSY_POLICY_INTERRUPT))
                    await reader.send(edit)
                case "regenerate":
                    again = RegenerateMessageRequest(
                        message_id=answer.id, busy_policy=BUSY_POLICY_ENQUEUE, request_id=request_id
                    )
                    await reader.send(again)
                case "select":
                    select = SelectVersionRequest(message_id=place, request_id=request_id)
                    await person.ask("messages", MessagesServiceStub, "SelectVersion", select)
                case "delete":
                    delete = DeleteMessageRequest(id=place, request_id=request_id)
                    await person.ask("messages", MessagesServiceStub, "DeleteMessage", delete)
        except (Precondition, Exhausted) as refused:
            expected = refused.reason in ("THREAD_BUSY", "QUEUE_FULL", "NOT_ENDED", "MODEL_UNAVAILABLE")
            self._simulation.require(expected, f"{step} is refused: {refused.reason}")
        except NotFound as refused:
            going = one.is_leaving or thread_id in one.deleting or thread_id in one.trimmed
            self._simulation.require(going, f"{step} is refused, and all is there: {refused.text}")
        if reader.message_id:
            one.readers[thread_id].append(reader)

    async def _delete_thread(self, one: Inhabitant, person: Person, thread_id: str) -> None:
        one.deleting.add(thread_id)
        request = DeleteThreadRequest(id=thread_id, request_id=person.request_id())
        try:
            await person.ask("threads", ThreadsServiceStub, "DeleteThread", request)
        except NotFound:
            self._simulation.require(one.is_leaving, f"{thread_id} cannot be deleted: it is not there")

    async def _leave(self, one: Inhabitant, person: Person) -> None:
        """Deletes the account, and watches until nothing is left."""
        one.is_leaving = True
        request = DeleteUserRequest(id="me", request_id=person.request_id())
        operation: Operation = await person.ask("users", UsersServiceStub, "DeleteUser", request)
        progress = 0
        while not has_ended(operation):
            stub = person.stub("operations", OperationsServiceStub)
            try:
                async for change in stub.WatchOperation(WatchOperationRequest(id=operation.id)):
                    held = change.progress >= progress
                    self._simulation.require(held, f"{change.id} goes back from {progress} to {change.progress}")
                    operation, progress = change, change.progress
            except (*TRANSIENT, NotFound):
                # Not there before it has been heard of.
                await person.pause()
        done = operation.status == OPERATION_STATUS_COMPLETED and operation.progress == 100
        self._simulation.require(done, f"{operation.id} ended otherwise")

    async def _deprecate(self) -> None:
        random = self._simulation.random
        model_id, replacement_id = random.sample(_MODELS, 2)
        self._deprecated[model_id] = random.choice(("", replacement_id))
        await asyncio.sleep(random.choice((0, 1, 5)))
        request = DeprecateModelRequest(id=model_id, replacement_id=self._deprecated[model_id], request_id="deprecate")
        await Person(self._simulation, "admin").ask("catalog", CatalogServiceStub, "DeprecateModel", request)

    # What is looked at in the end.

    async def _ask_for_orphans(self) -> None:
        """The product's own check finds what this one does: nothing."""
        admin = Person(self._simulation, "admin")
        summary = CheckSummary()
        while not summary.documents:
            stub = admin.stub("operations", OperationsServiceStub)
            try:
                async for answer in stub.CheckIntegrity(CheckIntegrityRequest()):
                    summary = answer.summary
            except TRANSIENT:
                await admin.pause()
        found = (summary.orphans, summary.unsettled_events, summary.parked_events)
        self._simulation.require(found == (0, 0, 0), f"the product's check finds {found}")
