"""DeleteUser: the account is closed at once, everything of it goes, and what stays does not say whose it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_PENDING,
    MESSAGE_STATUS_UNSPECIFIED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_ENQUEUE, ListMessagesRequest, SendMessageRequest
from llmchat.operations.stored.v1.system_pb2 import RemovedTotals
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_DELETE_USER,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WatchOperationRequest,
)
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest, GetThreadRequest
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord, IdentityRecord, SessionRecord
from llmchat.users.stored.v1.user_pb2 import ProviderKey, UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE, USER_STATUS_DELETED
from llmchat.users.v1.users_service_pb2 import CreateAccessKeyRequest, DeleteUserRequest, GetUserRequest, LoginRequest

from libs.common.documents.unit import Unit
from libs.common.settings import SERVICES
from services.users.collections import IDENTITIES, SESSIONS, USERNAMES, USERS
from tests.integration.accounts import account, administrator, operator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import plant
from tests.integration.tables import bodies, holding, tables
from tests.integration.watching import Seen, watch
from tests.standins.accounts import ADA, PASSWORD, registration

DELETE_ME = DeleteUserRequest(id="me")
# Two minutes at the pace of the house: it runs when it is met.
LONG = " ".join(["word"] * 6_000)
# Where a person's id may still be: in the journal, the answers of the last day, the audit log, in what says that they
# are gone, and for the life of an access token in what says that theirs are good no more.
KEPT = {"journal", "requests", "tombstones", "audit_logs", "revocations"}


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An echo model of 50 words a second."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "50")
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
async def ada(house: House) -> Person:
    return await register(house)


async def register(house: House, username: str = ADA) -> Person:
    async with house.visit() as nobody:
        return await house.person((await nobody.users.CreateUser(registration(username))).id)


def asking(thread_id: str, text: str = "hello") -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, model_id="echo", content=text, busy_policy=BUSY_POLICY_ENQUEUE)


async def talk(person: Person, *answers: str) -> str:
    """A new thread with these whole answers."""
    thread_id = (await person.threads.CreateThread(CreateThreadRequest())).id
    for text in answers:
        await watch(person.messages.SendMessage(asking(thread_id, text)))
    return thread_id


async def watched(person: Person, operation: Operation) -> list[Operation]:
    """All that is shown of an operation until it ends."""
    async with asyncio.timeout(20):
        return [seen async for seen in person.operations.WatchOperation(WatchOperationRequest(id=operation.id))]


async def traces(folder: Path, user_id: str) -> list[str]:
    """The documents that name a person, by collection and id, once the last event about them is settled."""

    async def unsettled() -> list[str]:
        return [id for service in SERVICES for id in tables(folder, service)["outbox"]]

    await eventually(unsettled, lambda events: not events)
    found = [trace for service in SERVICES for trace in holding(folder, service, user_id)]
    return [trace for trace in found if trace.split()[0] not in KEPT]


def removed(folder: Path) -> RemovedTotals:
    totals = [RemovedTotals.FromString(body) for body in bodies(folder, "operations", "system")]
    return totals[0] if totals else RemovedTotals()


async def test_everything_of_a_person_goes_and_nothing_of_another(house: House, ada: Person, tmp_path: Path) -> None:
    bob = await register(house, "bob@example.org")
    bobs = await talk(bob, "kept")
    await talk(ada, "one", "two")
    await talk(ada)
    busy = await talk(ada, "three")
    running, waiting = (aiter(ada.messages.SendMessage(asking(busy, LONG))) for _ in range(2))
    seen = await watch(running, until=1)
    queued = Seen()
    queued.take(await anext(waiting))
    assert seen.ended is None

    operation = await ada.users.DeleteUser(DELETE_ME)
    assert (operation.type, operation.user_id) == (OPERATION_TYPE_DELETE_USER, ada.user_id)
    shown = await watched(ada, operation)

    assert {one.id for one in shown} == {operation.id}
    assert (shown[-1].status, shown[-1].progress) == (OPERATION_STATUS_COMPLETED, 100)
    assert [one.progress for one in shown] == sorted(one.progress for one in shown)
    assert await traces(tmp_path, ada.user_id) == [f"operations {operation.id}"], "the deletion itself stays, for audit"
    assert tables(tmp_path, "users")["users"].keys() == {bob.user_id}
    assert tables(tmp_path, "threads")["threads"].keys() == {bobs}
    assert tables(tmp_path, "messages")["conversations"].keys() == {bobs}
    assert not tables(tmp_path, "messages")["message_chunks"]
    assert not tables(tmp_path, "messages")["leases"]
    assert len((await bob.messages.ListMessages(ListMessagesRequest(thread_id=bobs))).messages) == 2
    with refused(StatusCode.UNAUTHENTICATED) as out:
        await ada.operations.ListOperations(ListOperationsRequest())
    assert out.error.reason == "SIGN_IN_ENDED"
    history = map(JournalEntry.FromString, bodies(tmp_path, "messages", "journal"))
    states = [Message.FromString(entry.after).status for entry in history if entry.document_id == queued.message_id]
    assert states == [MESSAGE_STATUS_PENDING, MESSAGE_STATUS_CANCELLED, MESSAGE_STATUS_UNSPECIFIED], "it never began"


async def test_the_username_is_free_again_and_the_old_password_opens_nothing(house: House, ada: Person) -> None:
    await watched(ada, await ada.users.DeleteUser(DELETE_ME))

    login = LoginRequest(username=ADA, password=PASSWORD)
    async with house.visit() as nobody:
        with refused(StatusCode.UNAUTHENTICATED) as wrong:
            await nobody.users.Login(login)
    assert wrong.error.reason == "WRONG_CREDENTIALS"
    again = await register(house)
    assert again.user_id != ada.user_id
    assert (await again.users.Login(login)).user.id == again.user_id


async def test_what_they_had_is_added_up_without_saying_whose_it_was(house: House, tmp_path: Path) -> None:
    people = [await register(house, f"{number}@example.org") for number in range(2)]
    for person in people:
        # A question, an answer of one token, and a context of five tokens: the echo model's estimate of one word.
        await talk(person, "word")
        thread_id = await talk(person, "gone", "before")
        await person.threads.DeleteThread(DeleteThreadRequest(id=thread_id))

    async def messages() -> int:
        return len(tables(tmp_path, "messages")["messages"])

    await eventually(messages, lambda count: count == 4)
    for person in people:
        await watched(person, await person.users.DeleteUser(DELETE_ME))

    async def totals() -> RemovedTotals:
        return removed(tmp_path)

    # A title was asked for in each of the two threads.
    found = await eventually(totals, lambda totals: totals.messages == 4 and totals.threads == 2)
    assert (found.users, found.operations) == (2, 4)
    assert found.tokens > 2
    assert not any(person.user_id.encode() in found.SerializeToString() for person in people)


async def test_a_repeat_gives_the_same_operation_and_counts_once(ada: Person, tmp_path: Path) -> None:
    request = DeleteUserRequest(id="me", request_id="once")
    operation = await ada.users.DeleteUser(request)
    await watched(ada, operation)

    repeated = await ada.users.DeleteUser(request)
    assert (repeated.id, repeated.status) == (operation.id, OPERATION_STATUS_COMPLETED)
    with refused(StatusCode.NOT_FOUND):
        await ada.users.DeleteUser(DELETE_ME)
    assert removed(tmp_path).users == 1


async def test_only_ones_own_account_as_it_was_seen_is_deleted(house: House, ada: Person) -> None:
    bob = await register(house, "bob@example.org")

    with refused(StatusCode.NOT_FOUND):
        await bob.users.DeleteUser(DeleteUserRequest(id=ada.user_id))
    with refused(StatusCode.ABORTED) as stale:
        await ada.users.DeleteUser(DeleteUserRequest(id=ada.user_id, etag="7"))
    assert stale.error.reason == "STALE_ETAG"
    assert (await ada.users.GetUser(GetUserRequest(id="me"))).status == USER_STATUS_ACTIVE
    assert (await ada.users.DeleteUser(DeleteUserRequest(id=ada.user_id, etag="1"))).id


async def test_what_one_comes_in_by_goes_with_the_first_commit_and_what_an_issuer_calls_one_with_the_last(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, "users") as house:
        ada, bob = [await account(house, name) for name in (ADA, "bob@example.org")]
        for person in (ada, bob):
            await person.users.CreateAccessKey(CreateAccessKeyRequest(name="ci", permissions=["*"]))
            session = SessionRecord(id=f"session_of_{person.user_id}", user_id=person.user_id)
            await plant(house, "users", SESSIONS, session)
            identity = IdentityRecord(id=f"identity_of_{person.user_id}", user_id=person.user_id)
            await plant(house, "users", IDENTITIES, identity)

        operation = await ada.users.DeleteUser(DELETE_ME)

        assert tables(tmp_path, "users")["sessions"].keys() == {f"session_of_{bob.user_id}"}
        [kept] = bodies(tmp_path, "users", "access_keys")
        assert AccessKeyRecord.FromString(kept).user_id == bob.user_id
        assert len(tables(tmp_path, "users")["identities"]) == 2, "nobody else is to be opened an account by it yet"

    async with open_house(tmp_path) as house, operator(house) as looking:
        await eventually(lambda: status_of(looking, operation), bool)
        await watched(looking, operation)
        assert tables(tmp_path, "users")["identities"].keys() == {f"identity_of_{bob.user_id}"}


async def test_an_administrator_deletes_anyone_and_follows_it_and_nobody_else_does(house: House, ada: Person) -> None:
    bob = await account(house, "bob@example.org")
    async with administrator(house) as root:
        operation = await root.users.DeleteUser(DeleteUserRequest(id=ada.user_id, request_id="once"))
        assert operation.user_id == ada.user_id

        shown = await watched(root, operation)
        assert shown[-1].status == OPERATION_STATUS_COMPLETED
        assert await root.operations.GetOperation(GetOperationRequest(id=operation.id)) == shown[-1]
        assert (await root.users.DeleteUser(DeleteUserRequest(id=ada.user_id, request_id="once"))).id == operation.id
        with refused(StatusCode.NOT_FOUND):
            await root.users.DeleteUser(DeleteUserRequest(id=ada.user_id))
        with refused(StatusCode.NOT_FOUND):
            await root.operations.CancelOperation(CancelOperationRequest(id=operation.id))
    for person in (ada, bob):
        found = await status_of(person, operation)
        assert found == (OPERATION_STATUS_COMPLETED if person is ada else 0)
    with refused(StatusCode.NOT_FOUND):
        await watched(bob, operation)


async def test_whoever_goes_on_while_they_are_deleted_leaves_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deafen(house, monkeypatch)
    people = [await account(house, f"{number}@example.org") for number in range(8)]
    await asyncio.gather(*(delete_amid_work(person) for person in people))

    for person in people:
        assert await traces(tmp_path, person.user_id) == [f"operations op_delete_{person.user_id}"]
    stored = tables(tmp_path, "messages")
    assert not any(stored[table] for table in ("messages", "message_chunks", "conversations", "leases"))
    assert not tables(tmp_path, "threads")["threads"]


async def test_who_is_deleted_here_says_nothing_in_threads_that_are_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The threads service hears of nothing.
    monkeypatch.setattr("services.threads.bootstrap.subscriptions", lambda *_: {})
    async with open_house(tmp_path) as house:
        deafen(house, monkeypatch)
        ada = await register(house)
        thread_id = (await ada.threads.CreateThread(CreateThreadRequest())).id
        operation = await ada.users.DeleteUser(DELETE_ME)

        async def seen() -> Operation:
            return await ada.operations.GetOperation(GetOperationRequest(id=operation.id))

        await eventually(seen, lambda operation: operation.progress == 66)
        assert (await ada.threads.GetThread(GetThreadRequest(id=thread_id))).id == thread_id
        with refused(StatusCode.NOT_FOUND):
            await watch(ada.messages.SendMessage(asking(thread_id)))
        assert not tables(tmp_path, "messages")["messages"]


def deafen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes of the house one that has not heard yet who is out: there they go on."""
    monkeypatch.setattr(house.process.revocations, "apply", lambda revocation: None)


async def delete_amid_work(person: Person) -> None:
    """Deletes an account whose person goes on opening threads and asking until all of it is gone."""
    over = asyncio.Event()
    work = [asyncio.create_task(go_on(person, over)) for _ in range(3)]

    async def theirs() -> list[Operation]:
        return list((await person.operations.ListOperations(ListOperationsRequest())).operations)

    await eventually(theirs, bool)
    await watched(person, await person.users.DeleteUser(DELETE_ME))
    over.set()
    await asyncio.gather(*work)
    with refused(StatusCode.NOT_FOUND):
        await person.threads.CreateThread(CreateThreadRequest())


async def go_on(person: Person, over: asyncio.Event) -> None:
    """Asks in a thread after the other, and goes on where that is refused."""
    thread_ids: list[str] = []
    while not over.is_set():
        with unless_gone():
            thread_ids.append((await person.threads.CreateThread(CreateThreadRequest())).id)
        for thread_id in thread_ids[-2:]:
            with unless_gone():
                await watch(person.messages.SendMessage(asking(thread_id)), until=0)


@contextmanager
def unless_gone() -> Iterator[None]:
    """Passes where what is called succeeds, or is refused because there is no such thing any more."""
    try:
        yield
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.NOT_FOUND:
            raise


async def test_the_secrets_are_overwritten_at_once_and_the_rest_waits_for_the_others(tmp_path: Path) -> None:
    async with open_house(tmp_path, "users") as house:
        ada = await register(house)
        await give_key(house, ada.user_id)
        before = stored_account(tmp_path)

        operation = await ada.users.DeleteUser(DELETE_ME)
        assert (operation.type, operation.status) == (OPERATION_TYPE_DELETE_USER, OPERATION_STATUS_RUNNING)

        after = stored_account(tmp_path)
        assert after.status == USER_STATUS_DELETED
        assert after.password_hash not in ("", before.password_hash)
        assert after.api_keys.openai.encrypted_key not in ("", "a key")
        assert after.api_keys.openai.key_hash not in ("", "its hash")
        history = bodies(tmp_path, "users", "journal")
        assert history
        assert not any(b"a key" in entry or b"its hash" in entry for entry in history)
        async with house.visit() as nobody, operator(house) as looking:
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await nobody.users.Login(LoginRequest(username=ADA, password=PASSWORD))
            assert refusal.error.reason == "WRONG_CREDENTIALS"
            with refused(StatusCode.NOT_FOUND):
                await looking.users.GetUser(GetUserRequest(id=ada.user_id))
        with refused(StatusCode.ALREADY_EXISTS):
            await register(house)

    async with open_house(tmp_path) as house, operator(house) as looking:
        await eventually(lambda: status_of(looking, operation), bool)
        assert (await watched(looking, operation))[-1].status == OPERATION_STATUS_COMPLETED
        assert await traces(tmp_path, ada.user_id) == [f"operations {operation.id}"]


async def status_of(person: Person, operation: Operation) -> int:
    """0 while the operation is not there."""
    try:
        return (await person.operations.GetOperation(GetOperationRequest(id=operation.id))).status
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.NOT_FOUND:
            raise
        return 0


async def give_key(house: House, user_id: str) -> None:
    """A key of their own for a model, straight in the store."""
    documents = await house.process.documents("users", [USERS, USERNAMES])

    async def give(unit: Unit) -> None:
        record = await unit.get(USERS, user_id)
        record.api_keys.openai.CopyFrom(ProviderKey(encrypted_key="a key", key_hash="its hash"))
        unit.put(USERS, record)

    await documents.unit(give)


def stored_account(folder: Path) -> UserRecord:
    [body] = bodies(folder, "users", "users")
    return UserRecord.FromString(body)


async def test_a_deletion_waits_for_every_service_and_nobody_takes_it_up_or_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_OPERATION_INTERVAL", "0.05")
    async with open_house(tmp_path, "users", "operations") as house, operator(house) as looking:
        deafen(house, monkeypatch)
        ada = await register(house)
        operation = await ada.users.DeleteUser(DELETE_ME)

        async def seen() -> Operation:
            return await looking.operations.GetOperation(GetOperationRequest(id=operation.id))

        # Of three services one has acknowledged.
        await eventually(seen, lambda operation: operation.progress == 33)
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await ada.operations.CancelOperation(CancelOperationRequest(id=operation.id))
        assert refusal.error.reason == "NOT_CANCELLABLE"

    async with open_house(tmp_path, "users", "operations", "threads") as house, operator(house) as looking:
        found = await eventually(seen, lambda operation: operation.progress == 66)
        assert found.status == OPERATION_STATUS_RUNNING
        assert not found.HasField("error"), "no worker had it"
        assert not tables(tmp_path, "operations")["leases"]

    async with open_house(tmp_path) as house, operator(house) as looking:
        assert (await watched(looking, operation))[-1].status == OPERATION_STATUS_COMPLETED
