"""CheckIntegrity: what refers to nothing is found, whatever it is, and a healthy house has none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from llmchat.integrity.v1.integrity_service_pb2 import FindMissingRequest, ScanReferencesRequest
from llmchat.integrity.v1.integrity_service_pb2_grpc import IntegrityServiceStub
from llmchat.messages.stored.v1.stream_pb2 import Chunk, Conversation
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    CancelGenerationRequest,
    SendMessageRequest,
)
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_DELETE_USER
from llmchat.operations.v1.operations_service_pb2 import CheckIntegrityRequest, CheckIntegrityResponse, CheckSummary
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest
from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest
from pydantic import SecretStr

from libs.common.clock import timestamp, wall_clock
from libs.common.context import Call, Caller, enter_call
from libs.common.documents.system import LEASES
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from services.messages.collections import CHUNKS, CONVERSATIONS, MESSAGES
from services.operations.collections import OPERATIONS
from services.operations.integrity import IntegrityCheck
from services.threads.collections import THREADS
from services.users.collections import USERNAMES, USERS
from services.users.user import username_id
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.conftest import House, open_house
from tests.integration.orphans import PLANTS, Life, Plant, message, operation
from tests.integration.planting import plant, uproot
from tests.integration.watching import watch
from tests.standins.accounts import registration

# Where a document is and its id, then the kind and the id of what it refers to.
Found = tuple[str, str, str, str, str]


@pytest.fixture
async def life(house: House) -> Life:
    """Of Ada, who has one conversation and has begun another one."""
    # An account without the quarter of a second that a password takes.
    account = UserRecord(id="user_ada", username="ada@example.org")
    await plant(house, "users", USERS, account)
    await plant(house, "users", USERNAMES, UsernameRecord(id=username_id(account.username), user_id=account.id))
    ada = await house.person(account.id)
    thread, empty_thread = [await ada.threads.CreateThread(CreateThreadRequest(title="Hers")) for _ in range(2)]
    seen = await watch(ada.messages.SendMessage(asking(thread.id)))
    assert seen.ended is not None
    return Life(house.process.replica, account.id, thread.id, empty_thread.id, seen.ended.id)


@pytest.fixture
async def operator(house: House) -> AsyncIterator[SignedIn]:
    """Whoever holds the installation's key: signed in with a token that says so."""
    async with stubs(house.process, OperationsServiceStub) as sign:
        yield sign(house.process.tokens.issue_user("operator", True)[0])


@asynccontextmanager
async def stubs(process: Process, stub: Callable[[aio.Channel], object]) -> AsyncIterator[Callable[[str], SignedIn]]:
    """Makes a stub that calls with a token."""
    async with aio.insecure_channel(process.server.address) as channel:
        yield lambda token: SignedIn(stub(channel), token)


def asking(thread_id: str, **fields: Any) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, model_id="echo", content="Are you there?", **fields)


async def check(operator: SignedIn, *services: str) -> tuple[list[Found], CheckSummary]:
    """What a check finds, and how it sums up."""
    steps: list[CheckIntegrityResponse] = [
        step async for step in operator.CheckIntegrity(CheckIntegrityRequest(services=services))
    ]
    assert steps[-1].HasField("summary")
    orphans = [step.orphan for step in steps if step.HasField("orphan")]
    assert steps[-1].summary.orphans == len(orphans)
    found = [(one.service, one.collection, one.id, one.kind, one.missing_id) for one in orphans]
    return found, steps[-1].summary


async def test_a_house_in_use_has_no_orphans(house: House, life: Life, operator: SignedIn) -> None:
    ada = await house.person(life.user_id)
    untitled, dropped = [await ada.threads.CreateThread(CreateThreadRequest()) for _ in range(2)]
    for thread_id in (untitled.id, dropped.id):
        first = aiter(ada.messages.SendMessage(asking(thread_id)))
        waiting = ada.messages.SendMessage(asking(thread_id, busy_policy=BUSY_POLICY_ENQUEUE))
        await ada.messages.CancelGeneration(CancelGenerationRequest(message_id=(await anext(first)).message_id))
        await watch(waiting)
    await ada.threads.DeleteThread(DeleteThreadRequest(id=dropped.id))
    bob = await house.person((await ada.users.CreateUser(registration("bob@example.org"))).id)
    theirs = await bob.threads.CreateThread(CreateThreadRequest())
    await watch(bob.messages.SendMessage(asking(theirs.id)))
    await bob.users.DeleteUser(DeleteUserRequest(id="me"))

    _, summary = await eventually(lambda: check(operator), lambda found: not found[1].unsettled_events)
    assert summary.parked_events == 0

    found, summary = await check(operator)
    assert found == []
    # Ada's account and username, three threads, two conversations with six messages, and what is told of those gone.
    assert summary.documents > 13


async def test_answers_that_come_and_go_meanwhile_are_no_orphans(house: House, life: Life, operator: SignedIn) -> None:
    ada = await house.person(life.user_id)
    checked = asyncio.Event()

    async def chat() -> None:
        while not checked.is_set():
            thread = await ada.threads.CreateThread(CreateThreadRequest())
            for _ in range(3):
                await watch(ada.messages.SendMessage(asking(thread.id, busy_policy=BUSY_POLICY_ENQUEUE)))

    found, summary = await check(operator)
    async with asyncio.TaskGroup() as people:
        for _ in range(4):
            people.create_task(chat())
        while summary.documents < 150:
            more, summary = await check(operator)
            found += more
        checked.set()

    assert found == []


@pytest.mark.parametrize("planted", PLANTS.values(), ids=PLANTS.keys())
async def test_an_orphan_is_found_and_named(house: House, life: Life, operator: SignedIn, planted: Plant) -> None:
    document = planted.document(life)
    await plant(house, planted.service, planted.spec, document)

    found, _ = await check(operator)

    id: str = document.id  # type: ignore[attr-defined]
    assert found == [(planted.service, planted.spec.name, id, planted.kind, planted.missing_id(life))]


async def test_what_is_left_below_a_tombstone_is_an_orphan(house: House, life: Life, operator: SignedIn) -> None:
    await plant(house, "messages", CONVERSATIONS, Conversation(id="buried", user_id="gone", deleted=True))
    await plant(house, "messages", MESSAGES, message(life, thread_id="buried"))

    found, _ = await check(operator)

    assert found == [("messages", "messages", "planted", "conversation", "buried")]


async def test_what_outlives_its_thread_person_or_message_on_purpose_is_no_orphan(
    house: House, life: Life, operator: SignedIn
) -> None:
    tomorrow = timestamp(wall_clock() + 24 * 3_600_000)
    await plant(house, "messages", CONVERSATIONS, Conversation(id="buried", user_id="gone", deleted=True))
    await plant(house, "messages", CHUNKS, Chunk(id="gone.generation.000001", is_fence=True))
    await plant(house, "messages", LEASES, Lease(id="gone", expires_at=tomorrow))
    await plant(house, "operations", OPERATIONS, operation(life, user_id="gone", type=OPERATION_TYPE_DELETE_USER))

    found, _ = await check(operator)

    assert found == []


async def test_what_a_cascade_removes_between_the_two_looks_is_no_orphan(house: House, life: Life) -> None:
    await plant(house, "messages", MESSAGES, message(life, user_id="gone"))
    enter_call(Call(caller=Caller(user_id="operator", is_admin=True)))

    steps = IntegrityCheck(house.process.channels("operations")).run(["messages"])
    async for step in steps:
        if step.progress.collection == "messages":
            break
    await uproot(house, "messages", MESSAGES, "planted")

    rest = [step async for step in steps]
    assert [step for step in rest if step.HasField("orphan")] == []
    assert rest[-1].HasField("summary")


async def test_what_appears_between_the_two_looks_is_no_orphan(house: House, life: Life) -> None:
    """As an answer's lease does that is read before its beginning and looked for after it."""
    await plant(house, "messages", MESSAGES, message(life, user_id="late"))
    enter_call(Call(caller=Caller(user_id="operator", is_admin=True)))

    steps = IntegrityCheck(house.process.channels("operations")).run(["messages"])
    async for step in steps:
        if step.progress.collection == "messages":
            break
    await plant(house, "users", USERS, UserRecord(id="late"))

    assert [step async for step in steps if step.HasField("orphan")] == []


async def test_orphans_beyond_a_page_are_found_once_each(house: House, life: Life, operator: SignedIn) -> None:
    chunks = [Chunk(id=f"gone.generation.{number:06}") for number in range(1250)]
    await plant(house, "messages", CHUNKS, *chunks)

    found, summary = await check(operator, "messages")

    assert [id for _, _, id, _, _ in sorted(found)] == [chunk.id for chunk in chunks]
    assert summary.documents > len(chunks)


async def test_one_service_may_be_checked_alone(house: House, life: Life, operator: SignedIn) -> None:
    await plant(house, "threads", THREADS, Thread(id="planted", user_id="gone"))

    assert (await check(operator, "messages", "users"))[0] == []
    assert len((await check(operator, "threads"))[0]) == 1
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await check(operator, "threads", "nonsense")
    assert refusal.fields == {"services"}


async def test_a_check_goes_through_services_in_other_processes_and_says_which_is_away(tmp_path: Path) -> None:
    others = [service for service in EMBEDDED if service != "operations"]
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, *others))
        settings = Settings(
            listen="127.0.0.1:0",
            store_url="memory://",
            secret_key=SecretStr((tmp_path / "secret.key").read_text()),
            **{f"{service}_address": house.address for service in others},  # type: ignore[arg-type]
        )
        elsewhere = await stack.enter_async_context(open_process(settings, {"operations": EMBEDDED["operations"]}))
        token, _ = elsewhere.tokens.issue_user("operator", True)
        sign = await stack.enter_async_context(stubs(elsewhere, OperationsServiceStub))
        await plant(house, "threads", THREADS, Thread(id="planted", user_id="gone"))

        found, _ = await check(sign(token))
        assert found == [("threads", "threads", "planted", "user", "gone")]

        await house.process.server.stop(0)
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await check(sign(token), "threads")
        assert refusal.error.text.startswith("threads is away: ")


async def test_only_an_administrator_checks(house: House, life: Life) -> None:
    tokens = house.process.tokens
    async with stubs(house.process, OperationsServiceStub) as sign, aio.insecure_channel(house.address) as channel:
        with refused(StatusCode.UNAUTHENTICATED):
            [step async for step in OperationsServiceStub(channel).CheckIntegrity(CheckIntegrityRequest())]
        for token, _ in (
            tokens.issue_user(life.user_id, False),
            tokens.issue_service("operations", "", False),
            tokens.issue_service("messages", life.user_id, False),
        ):
            with refused(StatusCode.PERMISSION_DENIED):
                await check(sign(token))


async def test_only_the_operations_service_reads_references(house: House, life: Life) -> None:
    tokens = house.process.tokens
    scan = ScanReferencesRequest(service="threads", collection="threads")
    find = FindMissingRequest(service="threads", kind="thread", ids=[life.thread_id, "gone"])
    async with stubs(house.process, IntegrityServiceStub) as sign:
        for token, _ in (
            tokens.issue_user(life.user_id, False),
            tokens.issue_user("operator", True),
            tokens.issue_service("messages", "", False),
        ):
            with refused(StatusCode.PERMISSION_DENIED):
                await sign(token).ScanReferences(scan)
            with refused(StatusCode.PERMISSION_DENIED):
                await sign(token).FindMissing(find)
        operations = sign(tokens.issue_service("operations", "", False)[0])
        assert (await operations.ScanReferences(scan)).documents == 2
        assert (await operations.FindMissing(find)).ids == ["gone"]
        with refused(StatusCode.NOT_FOUND):
            await operations.ScanReferences(ScanReferencesRequest(service="threads", collection="nonsense"))
        with refused(StatusCode.NOT_FOUND):
            await operations.FindMissing(FindMissingRequest(service="threads", kind="message", ids=["gone"]))
