"""Stored documents of earlier versions: met as of now, and brought up to date by operators, operations and starts."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.messages_service_pb2 import GetMessageRequest
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_TYPE_MIGRATE_DATA,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest, WatchOperationRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.migration_pb2 import (
    MIGRATION_STATE_APPLIED,
    MIGRATION_STATE_PENDING,
    MIGRATION_STATE_ROLLED_BACK,
    MigrationRecord,
)
from llmchat.threads.v1.threads_service_pb2 import (
    GetThreadRequest,
    ListThreadsRequest,
    PruneThreadsRequest,
    UpdateThreadRequest,
)

from libs.client.operator import Operator
from libs.common.documents.system import MIGRATIONS
from libs.common.errors import Contended, NotFound, Precondition
from libs.common.settings import SERVICES
from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.threads.collections import THREADS
from services.threads.rank import rank_of
from tests.conformance.migrating import messages_of_before, threads_of_before
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.test_cli import run

# Runs `llmchat` with these arguments.
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """One that leaves its migrations to operators."""
    async with open_house(tmp_path / "data", migrate="off") as house:
        yield house


@pytest.fixture
async def operator(house: House) -> AsyncIterator[Operator]:
    token, _ = house.process.tokens.issue_user("root", True)
    async with Operator(dict.fromkeys(SERVICES, house.address), token=token) as operator:
        yield operator


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person("user_ada")


@pytest.fixture
def llmchat(house: House, tmp_path: Path) -> Run:
    async def command(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"LLMCHAT_ADDRESS": house.address, "XDG_CONFIG_HOME": str(tmp_path)}
        data = () if arguments[1] == "create" else ("--data", str(tmp_path / "data"))
        return await asyncio.to_thread(partial(run, *arguments, *data, environment=environment, typed=typed))

    return command


async def plant_threads(house: House, number: int) -> list[str]:
    """Threads of before; their ids in the order in which lists have them."""
    before = threads_of_before(number)
    await plant(house, "threads", THREADS, *before)
    return [thread.id for thread in sorted(before, key=rank_of, reverse=True)]


async def stored_versions(house: House) -> set[int]:
    """Of all threads, as they are stored."""
    found = await (await documents_of(house, "threads")).query(Query.by_id(THREADS))
    return {thread.schema_version for thread in found}


async def listed(ada: Person, size: int = 7) -> list[str]:
    """Ada's threads, page by page."""
    answer = await ada.threads.ListThreads(ListThreadsRequest(page_size=size))
    ids = [thread.id for thread in answer.threads]
    while answer.next_page_token:
        request = ListThreadsRequest(page_size=size, page_token=answer.next_page_token)
        answer = await ada.threads.ListThreads(request)
        ids += [thread.id for thread in answer.threads]
    return ids


# Before they are migrated.


async def test_a_thread_of_before_is_met_as_it_will_be(house: House, ada: Person) -> None:
    await plant_threads(house, 30)
    thread = await ada.threads.GetThread(GetThreadRequest(id="thread_00000"))
    assert (thread.schema_version, thread.rank) == (2, rank_of(thread))
    listing = await ada.threads.ListThreads(ListThreadsRequest(page_size=20))
    assert all(thread.rank == rank_of(thread) for thread in listing.threads)
    assert await stored_versions(house) == {1}, "to be read rewrites nothing"


async def test_lists_hold_each_thread_of_before_once(house: House, ada: Person) -> None:
    ids = await plant_threads(house, 30)
    assert sorted(await listed(ada)) == sorted(ids)


async def test_pruning_comes_to_an_end_among_threads_of_before(house: House, ada: Person) -> None:
    await plant_threads(house, 250)
    pruned = await ada.threads.PruneThreads(PruneThreadsRequest(keep=100, dry_run=True))
    # Every third is pinned, and does not count.
    assert len(pruned.thread_ids) == 66


async def test_a_change_of_a_thread_of_before_is_stored_as_of_now(house: House, ada: Person) -> None:
    await plant_threads(house, 1)
    request = UpdateThreadRequest()
    request.thread.id, request.thread.title = "thread_00000", "Another title"
    request.update_mask.paths.append("title")
    await ada.threads.UpdateThread(request)
    assert await stored_versions(house) == {2}


# By operators.


async def test_an_operator_migrates_and_takes_it_back(house: House, operator: Operator, ada: Person) -> None:
    in_order = await plant_threads(house, 130)
    (before,) = await operator.migrations("threads")
    assert (before.migration.state, before.migration.name) == (MIGRATION_STATE_PENDING, "rank")

    steps = [record async for record in operator.migrate_up("threads")]
    assert [step.progress[0].rewritten for step in steps] == [0, 100, 130, 130, 130]
    assert (steps[-1].state, steps[-1].applied_by) == (MIGRATION_STATE_APPLIED, "root")
    assert await listed(ada) == in_order
    assert [record async for record in operator.migrate_up("threads")] == []

    *_, record = [record async for record in operator.migrate_down("threads", 0)]
    assert (record.state, record.progress[0].rolled_back) == (MIGRATION_STATE_ROLLED_BACK, 130)
    assert await stored_versions(house) == {1}
    assert sorted(await listed(ada)) == sorted(in_order), "this version reads what is rolled back too"


async def test_messages_of_before_name_the_one_that_they_follow(house: House, operator: Operator, ada: Person) -> None:
    said = messages_of_before(4)
    await plant(house, "messages", MESSAGES, *said)
    conversation = CONVERSATIONS.message(id="thread_1", user_id="user_ada", last_position=8, schema_version=1)
    await plant(house, "messages", CONVERSATIONS, conversation)

    async def followed() -> list[str]:
        asked = [ada.messages.GetMessage(GetMessageRequest(id=message.id)) for message in said]
        return [(await answer).parent_id for answer in asked]

    assert await followed() == [""] * 8
    assert [record async for record in operator.migrate_up("messages")][-1].state == MIGRATION_STATE_APPLIED
    ids = [message.id for message in said]
    # Two models have a conversation each, turn by turn.
    assert await followed() == ["", ids[0], "", ids[2], ids[1], ids[4], ids[3], ids[6]]


async def test_a_watch_that_is_left_stops_after_its_page(house: House, operator: Operator) -> None:
    await plant_threads(house, 350)
    steps = operator.migrate_up("threads")
    await anext(steps)
    await steps.aclose()  # type: ignore[attr-defined]

    async def gone_on_with() -> list[MigrationRecord]:
        try:
            return [record async for record in operator.migrate_up("threads")]
        except Contended:  # the page that was under way is not at its end yet
            return []

    *_, record = await eventually(gone_on_with, bool)
    assert (record.state, record.progress[0].rewritten) == (MIGRATION_STATE_APPLIED, 350)


async def test_what_a_service_does_not_have_is_not_found(operator: Operator) -> None:
    with pytest.raises(NotFound):
        await operator.migrations("gateway")


async def test_a_person_migrates_nothing(house: House, ada: Person) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await ada.operations.CreateOperation(CreateOperationRequest(type=OPERATION_TYPE_MIGRATE_DATA))


async def test_the_command_tells_applies_and_rolls_back(house: House, llmchat: Run) -> None:
    await plant_threads(house, 3)
    pending = await llmchat("migrate", "status", "--service", "threads")
    assert (pending.returncode, pending.stdout.splitlines()[1].split()[:3]) == (1, ["threads", "0001_rank", "pending"])

    applied = await llmchat("migrate", "up")
    assert (applied.returncode, applied.stderr) == (0, "")
    assert "users is up to date" in applied.stdout
    assert "threads 0001_rank: applied, 3 of 3 documents rewritten" in applied.stdout
    assert "messages 0001_parents: applied, 0 of 0 documents rewritten" in applied.stdout
    told = await llmchat("migrate", "status")
    assert (told.returncode, [line.split()[:3] for line in told.stdout.splitlines()[1:]]) == (
        0,
        [["threads", "0001_rank", "applied"], ["messages", "0001_parents", "applied"]],
    )

    kept = await llmchat("migrate", "down", "0", "--service", "threads", typed="n\n")
    assert kept.returncode == 1
    assert await stored_versions(house) == {2}
    undone = await llmchat("migrate", "down", "0", "--service", "threads", typed="y\n")
    assert undone.returncode == 0
    assert "threads 0001_rank: rolled back, 3 of 3 documents rewritten, 3 rolled back" in undone.stdout
    assert await stored_versions(house) == {1}
    refused = await llmchat("migrate", "down", "7", "--yes", "--service", "threads")
    assert (refused.returncode, refused.stderr) == (1, "error: to: is no number of a migration of threads\n")


async def test_the_command_begins_a_file(llmchat: Run, tmp_path: Path) -> None:
    folder = tmp_path / "services" / "threads" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_rank.py").touch()
    created = await llmchat("migrate", "create", "colours", "--service", "threads", "--tree", str(tmp_path))
    assert created.returncode == 0
    text = (folder / "0002_colours.py").read_text()
    compile(text, "0002_colours.py", "exec")
    assert "MIGRATION = Migration(" in text
    for wrong in (("create", "Two words", "--service", "threads"), ("create", "colours", "--service", "gateway")):
        assert (await llmchat("migrate", *wrong, "--tree", str(tmp_path))).returncode == 1


# By an operation.

# As if the file had been another one when it was applied.
EDITED = MigrationRecord(id="0001", number=1, name="rank", checksum="another", state=MIGRATION_STATE_APPLIED)


async def migrated(house: House, service: str = "") -> list[Operation]:
    """The operation of an administrator who has it done, as it is watched."""
    request = CreateOperationRequest(type=OPERATION_TYPE_MIGRATE_DATA)
    if service:
        request.parameters["service"] = service
    async with aio.insecure_channel(house.address) as channel:
        root = SignedIn(OperationsServiceStub(channel), house.process.tokens.issue_user("root", True)[0])
        created = await root.CreateOperation(request)
        watch = root.WatchOperation(WatchOperationRequest(id=created.id))
        return [answer async for answer in watch]


async def test_an_operation_migrates_all_services(house: House, ada: Person) -> None:
    in_order = await plant_threads(house, 130)
    *_, operation = await migrated(house)
    assert (operation.status, operation.progress) == (OPERATION_STATUS_COMPLETED, 100)
    assert dict(operation.result.data) == {"threads 0001_rank": 130, "messages 0001_parents": 0}
    assert await listed(ada) == in_order

    *_, again = await migrated(house, "threads")
    assert (again.status, dict(again.result.data)) == (OPERATION_STATUS_COMPLETED, {})


async def test_an_operation_fails_with_what_failed(house: House) -> None:
    await plant_threads(house, 3)
    await plant(house, "threads", MIGRATIONS, EDITED)
    *_, operation = await migrated(house, "threads")
    assert (operation.status, operation.error.code) == (OPERATION_STATUS_FAILED, "MIGRATION_EDITED")


# By a start.


async def test_a_process_that_has_its_documents_alone_migrates_them_when_it_starts(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data", migrate="off") as house:
        await plant_threads(house, 130)
    async with open_house(tmp_path / "data") as house:
        await eventually(partial(stored_versions, house), lambda versions: versions == {2})


async def test_a_start_may_be_refused_while_something_is_pending(tmp_path: Path) -> None:
    with pytest.raises(Precondition, match="0001_rank") as refusal:
        async with open_house(tmp_path / "data", migrate="check"):
            pass
    assert refusal.value.reason == "MIGRATIONS_PENDING"
    async with open_house(tmp_path / "data", migrate="off") as house:
        *_, operation = await migrated(house)
        assert operation.status == OPERATION_STATUS_COMPLETED
    async with open_house(tmp_path / "data", migrate="check") as house:
        assert await listed(await house.person()) == []
