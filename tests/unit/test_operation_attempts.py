"""What operations do where processes meet: leases, lost hints, large cascades."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from llmchat.events.v1.events_pb2 import ThreadDeleted
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_STATUS_PENDING,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
    OperationResult,
)

from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import LEASES, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query
from services.operations.attempt import Attempt
from services.operations.collections import COLLECTIONS, OPERATIONS
from services.operations.operation import cancel_operation, save, watch_operation
from services.operations.retries import take_back
from services.operations.settings import OperationsSettings
from services.operations.subscribers import subscriptions
from services.operations.worker import Report, Worker
from tests.unit.configured import system_configs

ALICE = Caller(user_id="alice")
SETTINGS = OperationsSettings(operation_interval=0.01, operation_lease=15, operation_retries=2)


def unheard() -> Changes:
    """Changes of a process whose hints reach no other, nor those of others this one."""
    return Changes(InProcessBus(), "operations", watchdog=0.01)


class HeldClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 2_000_000_000_000

    def __call__(self) -> int:
        return self.now


class Works:
    """The work of an operation: waits until it may end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def __call__(self, operation: Operation, report: Report) -> OperationResult:
        self.begun.append(operation.id)
        await self.may_end.wait()
        return OperationResult(title="done")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def documents(clock: HeldClock) -> Documents:
    store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
    return Documents(store, clock, PageTokens([b"k" * 32]), RequestSeal([b"d" * 32]))


async def create(documents: Documents, id: str = "op_1", thread_id: str = "thread_1") -> Operation:
    async def work(unit: Unit) -> Operation:
        operation = Operation(
            id=id,
            type=OPERATION_TYPE_GENERATE_TITLE,
            user_id="alice",
            thread_id=thread_id,
            status=OPERATION_STATUS_PENDING,
            created_at=timestamp(unit.now),
        )
        unit.create(OPERATIONS, operation)
        return save(unit, unheard(), operation)

    return await documents.unit(work)


async def until(documents: Documents, status: int, id: str = "op_1") -> Operation:
    """The operation once it is in `status`; fails after 5 seconds."""
    deadline = time.monotonic() + 5
    while (operation := await documents.get(OPERATIONS, id)).status != status:
        assert time.monotonic() < deadline, operation
        await asyncio.sleep(0.005)
    return operation


@asynccontextmanager
async def worker(documents: Documents, holder: str, works: Works, *, exclusive: bool) -> AsyncIterator[None]:
    """A worker of a process that dies at the end of the context."""
    kinds = {OPERATION_TYPE_GENERATE_TITLE: works}
    task = asyncio.create_task(Worker(documents, unheard(), kinds, holder, SETTINGS, exclusive=exclusive).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class TestLeases:
    async def test_an_exclusive_worker_takes_up_what_a_dead_one_left(self, documents: Documents) -> None:
        await create(documents)
        async with worker(documents, "first", Works(), exclusive=True):
            await until(documents, OPERATION_STATUS_RUNNING)
        works = Works()
        works.may_end.set()
        async with worker(documents, "second", works, exclusive=True):
            await until(documents, OPERATION_STATUS_COMPLETED)
        assert works.begun == ["op_1"]
        assert await documents.find(LEASES, "op_1") is None

    async def test_one_of_several_waits_for_the_lease_to_expire(self, documents: Documents, clock: HeldClock) -> None:
        await create(documents)
        async with worker(documents, "first", Works(), exclusive=False):
            await until(documents, OPERATION_STATUS_RUNNING)
        works = Works()
        works.may_end.set()
        async with worker(documents, "second", works, exclusive=False):
            await create(documents, "op_2")
            await until(documents, OPERATION_STATUS_COMPLETED, "op_2")
            assert works.begun == ["op_2"], "the lease is still running"
            clock.now += 15_000
            await until(documents, OPERATION_STATUS_COMPLETED)

    async def test_an_operation_that_kills_its_process_does_not_do_so_for_ever(self, documents: Documents) -> None:
        await create(documents)
        for _ in range(1 + SETTINGS.operation_retries):
            attempt = Attempt(documents, unheard(), SETTINGS, "a process that dies", "op_1")
            assert await attempt.begin()
            await documents.unit(lambda unit: take_back(unit, unheard(), SETTINGS, "op_1", exclusive=True))
        operation = await documents.get(OPERATIONS, "op_1")
        assert (operation.status, operation.error.code) == (OPERATION_STATUS_FAILED, "INTERRUPTED")

    async def test_where_an_attempt_has_got_to_is_there_for_the_next_which_has_its_tries_before_it(
        self, documents: Documents
    ) -> None:
        await create(documents)
        for place in range(2 * SETTINGS.operation_retries):
            attempt = Attempt(documents, unheard(), SETTINGS, "a process that dies", "op_1")
            operation = await attempt.begin()
            assert operation is not None
            assert dict(operation.result.data) == ({"after_id": f"thing {place - 1}"} if place else {})
            await attempt.report(10, {"after_id": f"thing {place}"})
            await documents.unit(lambda unit: take_back(unit, unheard(), SETTINGS, "op_1", exclusive=True))

    async def test_of_two_attempts_one_begins(self, documents: Documents) -> None:
        await create(documents)
        attempts = [Attempt(documents, unheard(), SETTINGS, holder, "op_1") for holder in ("a", "b")]
        begun = await asyncio.gather(*(attempt.begin() for attempt in attempts))
        assert sorted(operation is not None for operation in begun) == [False, True]

    async def test_what_ends_at_the_moment_of_its_cancellation_stays_cancelled(self, documents: Documents) -> None:
        await create(documents)
        attempt = Attempt(documents, unheard(), SETTINGS, "holder", "op_1")
        await attempt.begin()
        cancelled = await documents.unit(lambda unit: cancel_operation(unit, unheard(), ALICE, "op_1"))
        await attempt.complete(OperationResult(title="too late"))
        assert await documents.get(OPERATIONS, "op_1") == cancelled
        assert cancelled.status == OPERATION_STATUS_CANCELLED

    async def test_an_attempt_stops_when_it_has_lost_its_lease(self, documents: Documents) -> None:
        await create(documents)
        settings = SETTINGS.model_copy(update={"operation_lease": 0.03})
        attempt = Attempt(documents, unheard(), settings, "holder", "op_1")
        await attempt.begin()
        lost = asyncio.Event()
        keeping = asyncio.create_task(attempt.keep(lost.set))
        await documents.unit(lambda unit: cancel_operation(unit, unheard(), ALICE, "op_1"))
        async with asyncio.timeout(5):
            await lost.wait()
            await keeping


class TestWatch:
    async def test_changes_of_other_processes_are_found_in_the_store(self, documents: Documents) -> None:
        """Their hints do not reach this process; the watchdog does without."""
        await create(documents)
        watch = watch_operation(documents, unheard(), ALICE, "op_1")
        assert (await anext(watch)).status == OPERATION_STATUS_PENDING
        cancelled = await documents.unit(lambda unit: cancel_operation(unit, unheard(), ALICE, "op_1"))
        async with asyncio.timeout(5):
            assert [operation async for operation in watch] == [cancelled]


class TestThreadDeleted:
    async def test_many_operations_are_released_page_by_page(self, documents: Documents) -> None:
        for number in range(120):
            await create(documents, f"op_{number:03}")
        await create(documents, "op_other", "thread_2")

        handle = subscriptions(unheard(), system_configs(documents))["thread.deleted"]
        event = ThreadDeleted(thread_id="thread_1", user_id="alice")
        progress: str | None = ""
        steps = 0

        async def step(unit: Unit) -> str | None:
            return await handle(unit, event, progress or "")

        while progress is not None:
            progress = await documents.unit(step)
            steps += 1
        assert steps == 3

        operations = {operation.id: operation for operation in await documents.query(Query.by_id(OPERATIONS))}
        other = operations.pop("op_other")
        assert (other.thread_id, other.status) == ("thread_2", OPERATION_STATUS_PENDING)
        assert {(operation.thread_id, operation.status) for operation in operations.values()} == {
            ("", OPERATION_STATUS_CANCELLED)
        }
        assert len(operations) == 120
