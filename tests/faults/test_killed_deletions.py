"""A server that is killed while a thread or a person is deleted: all that hangs on it goes, or nothing does."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest, DeleteMessageRequest
from llmchat.operations.stored.v1.system_pb2 import RemovedTotals
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, Operation
from llmchat.operations.v1.operations_service_pb2 import WatchOperationRequest
from llmchat.threads.v1.threads_service_pb2 import DeleteThreadRequest, GetThreadRequest
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.common.settings import SERVICES
from tests.faults.calls import DEADLINE, all_ended, asking, messages_of, new_thread, unless_killed, words
from tests.faults.recounting import equals_a_recount, unsettled
from tests.faults.server import Server
from tests.integration.calling import eventually, refused
from tests.integration.conftest import Person
from tests.integration.tables import bodies, holding, tables
from tests.integration.watching import Seen, watch
from tests.standins.accounts import registration

DELETE_ME = DeleteUserRequest(id="me", request_id="once")


async def test_a_deletion_ends_complete(server: Server, rounds: range, dice: random.Random) -> None:
    user_id = None
    deleted: set[str] = set()
    for _ in rounds:
        async with server.visit(user_id) as anna:
            user_id = anna.user_id
            kept, thread_id = [await a_busy_thread(anna, dice) for _ in range(2)]
            before = {message.id for message in await messages_of(anna, thread_id)}
            deletion = asyncio.create_task(unless_killed(anna.threads.DeleteThread(DeleteThreadRequest(id=thread_id))))
            # Mostly within the few milliseconds around the acknowledgement, sometimes long after.
            await asyncio.sleep(dice.choice([dice.uniform(0, 0.02), dice.uniform(0, 0.3)]))
            await server.kill()
            acknowledged = await deletion
        await server.start()
        async with server.visit(user_id) as anna:
            there = await is_there(anna, thread_id)
            assert not (acknowledged and there)
            if there:
                messages = await eventually(partial(messages_of, anna, thread_id), all_ended, within=DEADLINE)
                assert {message.id for message in messages} == before, "all of it, or nothing"
                await anna.threads.DeleteThread(DeleteThreadRequest(id=thread_id))
            deleted.add(thread_id)
            await eventually(lambda: traces(server, deleted), lambda found: not found, within=DEADLINE)
            with refused(StatusCode.NOT_FOUND):
                await watch(anna.messages.SendMessage(asking(thread_id, "anybody?")))
            assert await eventually(partial(messages_of, anna, kept), all_ended, within=DEADLINE)
            assert await is_there(anna, kept)
    await equals_a_recount(server)
    await server.stop()
    assert not await traces(server, deleted)


async def test_a_persons_deletion_ends_complete(server: Server, rounds: range, dice: random.Random) -> None:
    async with server.visit() as bob:
        kept = await a_busy_thread(bob, dice)
    for number in rounds:
        async with server.visit() as nobody:
            user_id = (await nobody.users.CreateUser(registration(f"{number}@example.org"))).id
        async with server.visit(user_id) as ada:
            for _ in range(dice.randint(1, 3)):
                await a_busy_thread(ada, dice)
            deletion = asyncio.create_task(unless_killed(ada.users.DeleteUser(DELETE_ME)))
            # Mostly while the services remove what they have, sometimes while the account is being closed.
            if dice.random() < 0.7:
                await deletion
            await asyncio.sleep(dice.uniform(0, 0.3))
            await server.kill()
            await deletion
        await server.start()
        await ends_complete(server, user_id)
        async with server.visit(bob.user_id) as bob:
            assert await eventually(partial(messages_of, bob, kept), all_ended, within=DEADLINE)
    assert removed_users(server) == len(rounds)
    await equals_a_recount(server)


@pytest.mark.parametrize(
    "failpoint",
    [
        "after_commit_before_publish",
        "after_effect_before_ack",
        "after_effect_before_ack=kill@3",
        "between_steps_of_effect",
        # Each service has one step that buries; messages has one for each of the threads.
        "between_steps_of_effect=kill@5",
        "after_settle_before_next",
    ],
)
async def test_a_persons_deletion_ends_complete_wherever_its_server_died(
    server: Server, tmp_path: Path, dice: random.Random, failpoint: str
) -> None:
    async with server.visit() as nobody:
        user_id = (await nobody.users.CreateUser(registration("ada@example.org"))).id
    async with server.visit(user_id) as ada:
        for thread_id in [await new_thread(ada, title="") for _ in range(2)]:
            for _ in range(dice.randint(2, 4)):
                await watch(ada.messages.SendMessage(asking(thread_id, words(3))))
    # Nothing but the deletion is left that could reach a failpoint.
    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    await eventually(lambda: running_operations(server), lambda running: not running, within=DEADLINE)
    # At an orderly stop it would tell of its calls, by one more event.
    await server.kill()
    name, _, action = failpoint.partition("=")
    fragile = Server(tmp_path, {"REDELIVERY_INTERVAL": "0.2", "FAILPOINTS": f"{name}={action or 'kill'}"})
    await fragile.start()
    async with fragile.visit(user_id) as ada:
        await unless_killed(ada.users.DeleteUser(DELETE_ME))
        await fragile.dies()
    await server.start()
    await ends_complete(server, user_id)
    assert removed_users(server) == 1
    await equals_a_recount(server)


@pytest.mark.parametrize(
    "failpoint",
    [
        "after_commit_before_publish",
        "after_effect_before_ack",
        "after_effect_before_ack=kill@2",
        "between_steps_of_effect",
        "after_settle_before_next",
    ],
)
async def test_what_follows_a_deleted_message_goes_wherever_its_server_died(
    server: Server, tmp_path: Path, failpoint: str
) -> None:
    """Nobody sees a part of it meanwhile, and the thread hears of each message once."""
    async with server.visit() as anna:
        thread_id = await new_thread(anna)
        seen = await watch(anna.messages.SendMessage(asking(thread_id, words(3))))
        # More than a megabyte, so that it goes in several steps.
        for _ in range(4):
            stream = aiter(anna.messages.SendMessage(asking(thread_id, "𝕏" * 100_000)))
            running = (await anext(stream)).message_id
            await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=running))
    # The context has no room for all of it: it was summed up, and the thread told.
    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    await eventually(lambda: running_operations(server), lambda running: not running, within=DEADLINE)
    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    # Stopped in order it would have something more to tell.
    await server.kill()
    name, _, action = failpoint.partition("=")
    fragile = Server(tmp_path, {"REDELIVERY_INTERVAL": "0.2", "FAILPOINTS": f"{name}={action or 'kill'}"})
    await fragile.start()
    async with fragile.visit(anna.user_id) as anna:
        await unless_killed(anna.messages.DeleteMessage(DeleteMessageRequest(id=seen.message_id)))
        await fragile.dies()
    await server.start()
    async with server.visit(anna.user_id) as anna:
        assert len(await messages_of(anna, thread_id)) == 1
        await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
        assert len(tables(server.folder, "messages")["messages"]) == 1
        thread = await anna.threads.GetThread(GetThreadRequest(id=thread_id))
        assert (thread.total_messages, thread.models["echo"].message_count) == (1, 1)
    await equals_a_recount(server)


async def ends_complete(server: Server, user_id: str) -> None:
    """The deletion, repeated, is one; it ends; and nothing of the person is left but the operation."""
    async with server.visit(user_id) as ada:
        operation = await ada.users.DeleteUser(DELETE_ME)
        async with asyncio.timeout(DEADLINE):
            watch = ada.operations.WatchOperation(WatchOperationRequest(id=operation.id))
            shown = [seen.status async for seen in watch]
    assert shown[-1] == OPERATION_STATUS_COMPLETED
    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    found = [trace for service in SERVICES for trace in holding(server.folder, service, user_id)]
    kept = ("journal", "requests", "tombstones", "audit_logs", "revocations")
    assert [trace for trace in found if trace.split()[0] not in kept] == [f"operations {operation.id}"]
    assert not await traces(server, set())


async def running_operations(server: Server) -> list[str]:
    """Titles that are still being sought."""
    operations = map(Operation.FromString, bodies(server.folder, "operations", "operations"))
    return [operation.id for operation in operations if operation.status != OPERATION_STATUS_COMPLETED]


def removed_users(server: Server) -> int:
    [totals] = bodies(server.folder, "operations", "system")
    return RemovedTotals.FromString(totals).users


async def a_busy_thread(person: Person, dice: random.Random) -> str:
    """Some answers given, one on its way and some that wait; without a title, so that one is asked for."""
    thread_id = await new_thread(person, title="")
    for _ in range(dice.randint(1, 4)):
        await watch(person.messages.SendMessage(asking(thread_id, words(3))))
    stream = person.messages.SendMessage(asking(thread_id, words(2000)))
    seen = await watch(stream, until=dice.randint(1, 200))
    for _ in range(dice.randint(0, 3)):
        waiting = aiter(person.messages.SendMessage(asking(thread_id, words(10))))
        Seen().take(await anext(waiting))
    assert seen.ended is None
    return thread_id


async def is_there(person: Person, thread_id: str) -> bool:
    try:
        await person.threads.GetThread(GetThreadRequest(id=thread_id))
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.NOT_FOUND:
            raise
        return False
    return True


async def traces(server: Server, deleted: set[str]) -> list[str]:
    """All that the stores still hold of deleted threads."""
    found = [f"thread {id}" for id in tables(server.folder, "threads")["threads"] if id in deleted]
    messages = map(Message.FromString, bodies(server.folder, "messages", "messages"))
    owners = {message.id: message.thread_id for message in messages}
    found += [f"message {id}" for id, thread_id in owners.items() if thread_id in deleted]
    stored = tables(server.folder, "messages")
    # What no message owns is nobody's to remove.
    found += [f"chunk {id}" for id in stored["message_chunks"] if id.split(".")[0] not in owners]
    found += [f"lease {id}" for id in stored["leases"] if id not in owners]
    operations = map(Operation.FromString, bodies(server.folder, "operations", "operations"))
    found += [f"operation {operation.id}" for operation in operations if operation.thread_id in deleted]
    conversations = map(Conversation.FromString, bodies(server.folder, "messages", "conversations"))
    closed = {conversation.id for conversation in conversations if conversation.deleted}
    return found + [f"open conversation {id}" for id in deleted - closed]
