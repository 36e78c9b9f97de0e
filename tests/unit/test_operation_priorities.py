"""Which of several operations that are due is begun next."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

from llmchat.operations.v1.operation_pb2 import (
    OPERATION_PRIORITY_HIGH,
    OPERATION_PRIORITY_LOW,
    OPERATION_PRIORITY_NORMAL,
    OPERATION_PRIORITY_UNSPECIFIED,
    OPERATION_STATUS_PENDING,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
    OperationPriority,
    OperationResult,
)

from libs.common.clock import timestamp, wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.store.memory import MemoryStore
from services.operations.collections import COLLECTIONS, OPERATIONS
from services.operations.due import in_turn, read_due
from services.operations.operation import save
from services.operations.settings import OperationsSettings
from services.operations.worker import Report, Worker

HIGH, NORMAL, LOW = OPERATION_PRIORITY_HIGH, OPERATION_PRIORITY_NORMAL, OPERATION_PRIORITY_LOW
UNSPECIFIED = OPERATION_PRIORITY_UNSPECIFIED


class Waiting:
    """Operations that wait, in a store of their own."""

    def __init__(self) -> None:
        store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self.documents = Documents(store, wall_clock, PageTokens([b"k" * 32]), RequestSeal([b"d" * 32]))
        self.changes = Changes(InProcessBus(), "operations", 0.01)
        self._numbers = count(1)

    async def add(self, priority: OperationPriority, *, due_in: float | None = None) -> str:
        """One more, which has failed before and waits `due_in` more seconds if that is given."""

        async def work(unit: Unit) -> str:
            operation = Operation(
                id=f"op_{next(self._numbers):02}",
                type=OPERATION_TYPE_GENERATE_TITLE,
                user_id="anna",
                priority=priority,
                status=OPERATION_STATUS_PENDING,
            )
            if due_in is not None:
                operation.error.next_retry_at.CopyFrom(timestamp(unit.now + int(due_in * 1000)))
            return save(unit, self.changes, unit.create(OPERATIONS, operation)).id

        return await self.documents.unit(work)

    async def due(self) -> list[list[str]]:
        found = await read_due(self.documents, 10)
        return [[operation.id for operation in operations] for operations in found]


async def test_what_is_stored_without_a_priority_counts_as_normal() -> None:
    waiting = Waiting()
    ids = [await waiting.add(priority) for priority in (NORMAL, UNSPECIFIED, NORMAL, LOW, HIGH)]
    assert await waiting.due() == [[ids[4]], ids[:3], [ids[3]]]


async def test_what_waits_for_a_retry_is_not_due_before_it_and_then_comes_after_what_never_failed() -> None:
    waiting = Waiting()
    _, longest_due, due, fresh = [await waiting.add(NORMAL, due_in=due_in) for due_in in (60, -2, -1, None)]
    assert await waiting.due() == [[], [fresh, longest_due, due], []]


async def test_a_worker_begins_the_higher_priority_first() -> None:
    waiting = Waiting()
    ids = [await waiting.add(priority) for priority in (LOW, NORMAL, HIGH, HIGH)]
    begun: list[str] = []
    all_begun = asyncio.Event()

    async def work(operation: Operation, report: Report) -> OperationResult:
        begun.append(operation.id)
        if len(begun) == len(ids):
            all_begun.set()
        return OperationResult()

    settings = OperationsSettings(operation_concurrency=1)
    works = {OPERATION_TYPE_GENERATE_TITLE: work}
    worker = Worker(waiting.documents, waiting.changes, works, "here", settings, exclusive=True)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.run())
        await all_begun.wait()
        running.cancel()
    assert begun == [ids[2], ids[3], ids[1], ids[0]]


def operations(priority: str, number: int) -> list[Operation]:
    return [Operation(id=f"{priority}{place}") for place in range(number)]


def test_of_eight_one_is_normal_and_one_low_however_many_are_above() -> None:
    due = [operations("high", 80), operations("normal", 80), operations("low", 80)]
    begun = [operation.id for operation in in_turn(due, begun=0)][:80]
    assert Counter(id.rstrip("0123456789") for id in begun) == {"high": 60, "normal": 10, "low": 10}


def test_each_look_goes_on_with_the_turns_of_the_last() -> None:
    """A process that begins one operation at a time, with a look before each, gives all their turn, too."""
    begun: Counter[str] = Counter()
    for number in range(80):
        first = in_turn([operations("high", 4), operations("normal", 4), operations("low", 4)], number)[0]
        begun[first.id.rstrip("0123456789")] += 1
    assert begun == {"high": 60, "normal": 10, "low": 10}


def test_where_one_priority_has_none_due_its_turns_are_the_highers() -> None:
    begun = [operation.id for operation in in_turn([[], operations("normal", 20), operations("low", 20)], begun=0)]
    assert Counter(id.rstrip("0123456789") for id in begun[:16]) == {"normal": 14, "low": 2}
    assert len(begun) == 40
