"""Operations on two replicas: each carried out once, watched and cancelled from either."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_PENDING,
    OPERATION_STATUS_RUNNING,
    OPERATION_TYPE_DELETE_USER,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
    OperationResult,
)

from libs.common.clock import timestamp, wall_clock
from libs.common.context import Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound, Unavailable
from libs.common.events.changes import Changes
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, M, Query, Stored
from services.operations.collections import COLLECTIONS, OPERATIONS
from services.operations.operation import cancel_operation, remove, save, watch_operation
from services.operations.settings import OperationsSettings
from services.operations.worker import Report, Worker
from tests.standins.lossy_bus import LossyBus

ANNA = Caller(user_id="anna")
NEVER = 3600.0


class Works:
    """The work of a replica's operations: reports its middle, and waits until it may end.

    Attributes:
        begun: How often each operation was begun here.
        cut_off: The operations whose work was cancelled.
    """

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.cut_off: list[str] = []
        self.may_end = asyncio.Event()

    async def __call__(self, operation: Operation, report: Report) -> OperationResult:
        self.begun[operation.id] += 1
        try:
            await report(50)
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cut_off.append(operation.id)
            raise
        return OperationResult(title="done")


class FallibleStore(MemoryStore):
    """Cannot be reached while it `is_away`."""

    is_away = False

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        if self.is_away:
            raise Unavailable("the store is away")
        return await super().query(query)

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        if self.is_away:
            raise Unavailable("the store is away")
        return await super().get(spec, id)


class Replica:
    """One process's part of the operations service, over the store and the bus that it shares with others."""

    def __init__(self, name: str, store: MemoryStore, bus: LossyBus, *, watchdog: float, lease: float) -> None:
        self.documents = Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
        self.changes = Changes(bus, "operations", watchdog)
        self.works = Works()
        settings = OperationsSettings(operation_lease=lease, operation_concurrency=4)
        works = {OPERATION_TYPE_GENERATE_TITLE: self.works}
        self.worker = Worker(self.documents, self.changes, works, name, settings, exclusive=False)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.worker.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def create(self, id: str, **facts: int) -> Operation:
        async def work(unit: Unit) -> Operation:
            operation = Operation(id=id, user_id="anna", created_at=timestamp(unit.now))
            operation.type = OPERATION_TYPE_GENERATE_TITLE
            operation.status = OPERATION_STATUS_PENDING
            operation.MergeFrom(Operation(**facts))  # type: ignore[arg-type]
            return save(unit, self.changes, unit.create(OPERATIONS, operation))

        return await self.documents.unit(work)

    async def cancel(self, id: str) -> Operation:
        return await self.documents.unit(lambda unit: cancel_operation(unit, self.changes, ANNA, id))

    async def remove(self, id: str) -> None:
        async def work(unit: Unit) -> None:
            remove(unit, self.changes, await unit.get(OPERATIONS, id))

        await self.documents.unit(work)

    async def stored(self) -> list[Operation]:
        return await self.documents.query(Query.by_id(OPERATIONS))

    def watch(self, id: str) -> AsyncIterator[Operation]:
        return watch_operation(self.documents, self.changes, ANNA, id)


def pair(bus: LossyBus, *, watchdog: float = NEVER, lease: float = 60.0) -> tuple[Replica, Replica]:
    store = FallibleStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
    here, there = (Replica(name, store, bus, watchdog=watchdog, lease=lease) for name in ("here", "there"))
    return here, there


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.002)


class TestWork:
    @pytest.mark.parametrize("losing", [0.0, 0.5, 1.0])
    async def test_replicas_share_the_work_and_do_nothing_twice(
        self, losing: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "services")
        here, there = pair(LossyBus(losing=losing, doubling=0.5), watchdog=0.02)
        ids = {f"op_{number:02}" for number in range(40)}
        async with here.working(), there.working():
            for id in sorted(ids):
                await here.create(id)
            await eventually(lambda: sum(here.works.begun.values()) == sum(there.works.begun.values()) == 4)
            here.works.may_end.set()
            there.works.may_end.set()
            await eventually(lambda: len(here.works.begun) + len(there.works.begun) == 40)
        assert here.works.begun + there.works.begun == Counter(ids)
        assert here.works.begun.keys() | there.works.begun.keys() == ids
        assert caplog.record_tuples == [], "that another has it is nothing to tell"

    async def test_what_another_replica_makes_due_is_taken_up_at_once(self) -> None:
        here, there = pair(LossyBus())
        async with there.working():
            for id in ("op_1", "op_2"):
                await here.create(id)
                await eventually(partial(lambda id: there.works.begun[id] == 1, id))

    async def test_one_that_ends_makes_room_for_the_next_at_once(self) -> None:
        here, _ = pair(LossyBus())
        here.works.may_end.set()
        for number in range(10):
            await here.create(f"op_{number}")
        async with here.working():
            await eventually(lambda: len(here.works.begun) == 10)

    async def test_a_look_leaves_alone_what_no_worker_carries_out(self) -> None:
        here, there = pair(LossyBus(), watchdog=0.02)
        deletion = await here.create("op_1", type=OPERATION_TYPE_DELETE_USER, status=OPERATION_STATUS_RUNNING)
        there.works.may_end.set()
        async with there.working():
            await here.create("op_2")
            await eventually(lambda: there.works.begun["op_2"] == 1)
        assert await here.documents.get(OPERATIONS, "op_1") == deletion

    async def test_what_runs_is_not_cut_off_when_the_store_is_away_for_a_while(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        here, _ = pair(LossyBus(), watchdog=0.02)
        store = here.documents.store
        assert isinstance(store, FallibleStore)
        async with here.working():
            await here.create("op_1")
            await eventually(lambda: here.works.begun["op_1"] == 1)
            store.is_away = True
            await eventually(lambda: "the store is away" in caplog.text)
            store.is_away = False
            await here.create("op_2")
            await eventually(lambda: here.works.begun["op_2"] == 1)
            assert here.works.cut_off == []


class TestCancel:
    async def test_from_another_replica_stops_the_work_at_once(self) -> None:
        here, there = pair(LossyBus())
        async with here.working():
            await here.create("op_1")
            await eventually(lambda: here.works.begun["op_1"] == 1)
            cancelled = await there.cancel("op_1")
            await eventually(lambda: here.works.cut_off == ["op_1"])
        assert await there.stored() == [cancelled]
        assert cancelled.status == OPERATION_STATUS_CANCELLED

    async def test_an_operation_that_is_removed_is_worked_on_no_longer(self) -> None:
        here, there = pair(LossyBus())
        async with here.working():
            await here.create("op_1")
            await eventually(lambda: here.works.begun["op_1"] == 1)
            await there.remove("op_1")
            await eventually(lambda: here.works.cut_off == ["op_1"])
        assert await there.stored() == []

    @pytest.mark.parametrize(
        ("watchdog", "lease"), [(0.05, 60.0), (NEVER, 0.15)], ids=["by the next look", "by its lease"]
    )
    async def test_a_cancel_whose_hint_is_lost_is_found_later(self, watchdog: float, lease: float) -> None:
        bus = LossyBus()
        here, there = pair(bus, watchdog=watchdog, lease=lease)
        async with here.working():
            await here.create("op_1")
            await eventually(lambda: here.works.begun["op_1"] == 1)
            bus.losing = 1.0
            await there.cancel("op_1")
            await eventually(lambda: here.works.cut_off == ["op_1"])


class TestWatch:
    @pytest.mark.parametrize(("losing", "watchdog"), [(0.0, NEVER), (0.5, 0.02), (1.0, 0.02)])
    async def test_what_runs_on_one_replica_is_seen_on_the_other_in_order_and_to_its_end(
        self, losing: float, watchdog: float
    ) -> None:
        bus = LossyBus(losing=losing, doubling=0.5)
        here, there = pair(bus, watchdog=watchdog)
        here.works.may_end.set()
        created = await there.create("op_1")
        watch = there.watch("op_1")
        async with asyncio.timeout(10):
            seen = [await anext(watch)]
            async with here.working():
                seen += [operation async for operation in watch]
        assert seen[0] == created
        etags = [int(operation.etag) for operation in seen]
        assert etags == sorted(set(etags)), "the same again, or older after newer"
        assert [seen[-1]] == await there.stored()
        assert (seen[-1].status, seen[-1].progress) == (OPERATION_STATUS_COMPLETED, 100)
        assert bus.subscriptions.total() == 0

    async def test_a_hint_that_comes_twice_tells_nothing_new(self) -> None:
        bus = LossyBus()
        here, there = pair(bus)
        await here.create("op_1")
        watch = there.watch("op_1")
        await anext(watch)
        following = asyncio.create_task(_all(watch))
        bus.publish("changes.operations.op_1", b"op_1")
        await asyncio.sleep(0)
        cancelled = await here.cancel("op_1")
        assert await following == [cancelled]

    async def test_the_watch_of_one_that_is_removed_ends(self) -> None:
        here, there = pair(LossyBus())
        await here.create("op_1")
        watch = there.watch("op_1")
        await anext(watch)
        await here.remove("op_1")
        with pytest.raises(NotFound):
            await anext(watch)


async def _all(watch: AsyncIterator[Operation]) -> list[Operation]:
    return [operation async for operation in watch]
