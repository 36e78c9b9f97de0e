"""What a person has used: counted from events beside their account, shown with it, gone with it."""

from __future__ import annotations

from functools import partial

from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.events.v1.events_pb2 import GenerationFinished, ThreadCreated
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest
from llmchat.operations.v1.operations_service_pb2 import ExportUserDataRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest, GetThreadRequest
from llmchat.users.v1.user_pb2 import User, UserUsage
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest

from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.users.collections import USAGES, USERS
from services.users.subscribers import counted
from tests.integration.accounts import account, operator
from tests.integration.calling import eventually
from tests.integration.conftest import House, Person
from tests.integration.planting import documents_of
from tests.integration.watching import watch

ME = GetUserRequest(id="me")


async def talk(person: Person, *questions: str) -> str:
    thread = await person.threads.CreateThread(CreateThreadRequest(title="t"))
    for question in questions:
        asking = SendMessageRequest(thread_id=thread.id, model_id="echo", content=question)
        await watch(person.messages.SendMessage(asking))
    return thread.id


async def usage_of(person: Person) -> UserUsage:
    return (await person.users.GetUser(ME)).usage


async def used(person: Person, threads: int, messages: int) -> UserUsage:
    """What the person has used, once it is so much."""
    return await eventually(
        partial(usage_of, person), lambda usage: (usage.total_threads, usage.total_messages) == (threads, messages)
    )


async def test_threads_messages_and_tokens_are_counted(house: House) -> None:
    ada, bob = [await account(house, f"{name}@example.org") for name in ("ada", "bob")]
    assert not (await ada.users.GetUser(ME)).HasField("usage")

    thread_id = await talk(ada, "one two three", "four")
    await talk(ada)
    usage = await used(ada, 2, 4)
    said = (await ada.messages.ListMessages(ListMessagesRequest(thread_id=thread_id))).messages
    assert usage.total_tokens == sum(message.context_tokens + message.total_tokens for message in said) > 0
    thread = await ada.threads.GetThread(GetThreadRequest(id=thread_id))
    assert usage.last_active_at.ToMilliseconds() >= thread.updated_at.ToMilliseconds()
    assert not (await bob.users.GetUser(ME)).HasField("usage")


async def test_what_is_deleted_was_used_all_the_same(house: House) -> None:
    ada = await account(house)
    gone = await talk(ada, "one two three")
    before = await used(ada, 1, 2)

    await ada.threads.DeleteThread(DeleteThreadRequest(id=gone))
    await talk(ada, "four")
    after = await used(ada, 2, 4)
    assert after.total_tokens > before.total_tokens


async def test_counting_gets_in_the_way_of_no_change_of_the_account(house: House) -> None:
    ada = await account(house)
    read = await ada.users.GetUser(ME)
    await talk(ada, "one two three")
    await used(ada, 1, 2)

    change = User(id="me", display_name="Countess", etag=read.etag)
    mask = FieldMask(paths=["display_name"])
    changed = await ada.users.UpdateUser(UpdateUserRequest(user=change, update_mask=mask))

    assert changed.display_name == "Countess"
    assert changed == await ada.users.GetUser(ME)
    async with operator(house) as root:
        assert list((await root.users.ListUsers(ListUsersRequest())).users) == [changed]


async def test_it_is_in_the_persons_export_and_goes_with_the_account(house: House) -> None:
    ada = await account(house)
    await talk(ada, "one two three")
    await used(ada, 1, 2)
    pieces = [piece.data async for piece in ada.operations.ExportUserData(ExportUserDataRequest(user_id="me"))]
    assert b'"collection":"usages"' in b"".join(pieces).replace(b" ", b"")

    await ada.users.DeleteUser(DeleteUserRequest(id="me"))
    users = await documents_of(house, "users")
    await eventually(lambda: users.find(USERS, ada.user_id), lambda record: record is None)
    assert await users.query(Query.by_id(USAGES)) == []


async def test_what_comes_late_brings_nothing_back_of_a_person_who_is_gone(house: House) -> None:
    ada = await account(house)
    await ada.users.DeleteUser(DeleteUserRequest(id="me"))
    users = await documents_of(house, "users")
    await eventually(lambda: users.find(USERS, ada.user_id), lambda record: record is None)
    handlers = counted()

    async def late(unit: Unit) -> None:
        await handlers["thread.created"](unit, ThreadCreated(user_id=ada.user_id))
        await handlers["generation.counted"](unit, GenerationFinished(user_id=ada.user_id, messages=2))

    await users.unit(late)
    assert await users.query(Query.by_id(USAGES)) == []
