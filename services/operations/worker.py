"""The worker of a process: takes up what is due, runs it within its time, and takes back what dead workers left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Protocol

from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult

from libs.common.clock import milliseconds
from libs.common.context import Call, Caller, enter_call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, DeadlineExceeded, DomainError, Unavailable
from libs.common.events.changes import Changes, Hints
from libs.common.store.port import Query
from services.operations.attempt import Attempt
from services.operations.collections import OPERATIONS
from services.operations.due import in_turn, read_due
from services.operations.operation import WORKERS, has_ended
from services.operations.retries import take_back
from services.operations.settings import OperationsSettings

_log = logging.getLogger(__name__)


class Report(Protocol):
    """Stores how far the operation is: see `Attempt.report`."""

    async def __call__(self, percent: int, place: Mapping[str, str | int] | None = None) -> None:
        """`percent` from 0 to 100; `place` is where another attempt is to go on."""


# What a kind of operation does. It runs in the name of the operation's user, is cancelled at any await, and may be run
# again after it was cut off: its effects must bear that.
Work = Callable[[Operation, Report], Awaitable[OperationResult]]


class Worker:
    """Runs at most `operation_concurrency` operations at once.

    Hints of what is due and of what is cancelled, on whichever replica, are followed at once. What they leave out is
    found by a look at the store, as often as `changes` has it looked at.
    """

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        works: Mapping[operation_pb2.OperationType, Work],
        holder: str,
        settings: OperationsSettings,
        *,
        exclusive: bool,
    ) -> None:
        """Args:
        documents: the operations.
        changes: what tells of new and of cancelled ones.
        works: what each kind does.
        holder: names this process in leases.
        settings: times and limits.
        exclusive: no other process works on this store: what runs nowhere here runs nowhere.
        """
        self._documents = documents
        self._changes = changes
        self._works = works
        self._holder = holder
        self._settings = settings
        self._exclusive = exclusive
        self._running: dict[str, asyncio.Task[None]] = {}
        self._begun = 0

    async def run(self) -> None:
        """Works until cancelled; what is cut off by that is taken back at the next start."""
        async with self._changes.watch(WORKERS) as hints, asyncio.TaskGroup() as tasks:
            async for id in hints:
                try:
                    await self._look(id, hints, tasks)
                except (Unavailable, Contended) as error:
                    # What runs is not cut off by that: the next look may succeed.
                    _log.warning("what is due was not looked at: %s", error.text)

    async def _look(self, id: str | None, hints: Hints, tasks: asyncio.TaskGroup) -> None:
        """Follows one hint: `id`, or None for everything."""
        for running in list(self._running) if id is None else self._running.keys() & {id}:
            await self._stop_if_over(running)
        if id is None:
            await self._take_back()
        await self._take_up(hints, tasks)

    async def _stop_if_over(self, id: str) -> None:
        operation = await self._documents.find(OPERATIONS, id)
        task = self._running.get(id)
        if task is not None and (operation is None or has_ended(operation)):
            task.cancel()

    async def _take_back(self) -> None:
        running = Query.where(OPERATIONS, order="error.next_retry_at", status=operation_pb2.OPERATION_STATUS_RUNNING)
        for operation in await self._documents.query(running):
            # What no worker carries out, such as a person's deletion, has none that could be dead.
            if operation.type in self._works and operation.id not in self._running:
                await self._documents.unit(partial(self._take_back_one, operation.id))

    async def _take_back_one(self, id: str, unit: Unit) -> None:
        await take_back(unit, self._changes, self._settings, id, exclusive=self._exclusive)

    async def _take_up(self, hints: Hints, tasks: asyncio.TaskGroup) -> None:
        if len(self._running) >= self._settings.operation_concurrency:
            return
        # Those that are about to begin still count as waiting: without them there are enough for all that is free.
        due = await read_due(self._documents, self._settings.operation_concurrency * 2)
        waiting = [[operation for operation in some if operation.id not in self._running] for some in due]
        for operation in in_turn(waiting, self._begun):
            if len(self._running) >= self._settings.operation_concurrency:
                return
            self._begun += 1
            task = tasks.create_task(self._attempt(operation.id))
            self._running[operation.id] = task
            # Not in the task itself: one that is cancelled before its first step runs no `finally`.
            task.add_done_callback(partial(self._make_room, operation.id, hints))

    def _make_room(self, id: str, hints: Hints, _: asyncio.Task[None]) -> None:
        del self._running[id]
        hints.look()

    async def _attempt(self, id: str) -> None:
        attempt = Attempt(self._documents, self._changes, self._settings, self._holder, id)
        try:
            operation = await attempt.begin()
            if operation is not None:
                await self._carry_out(attempt, operation)
        except DomainError:
            # The store did not take how it went: the operation stands as it was, and a later look takes it up again.
            _log.exception("an attempt at operation %s was not stored", id)

    async def _carry_out(self, attempt: Attempt, operation: Operation) -> None:
        seconds = max(0.0, (milliseconds(operation.timeout_at) - self._documents.clock()) / 1000)
        caller = Caller(user_id=operation.user_id, service="operations")
        enter_call(Call(caller=caller, request_id=operation.id, deadline=time.monotonic() + seconds))
        keeping = asyncio.create_task(attempt.keep(self._running[operation.id].cancel))
        try:
            result = await self._within(seconds, operation, attempt.report)
        except DomainError as error:
            await attempt.fail(error)
        else:
            await attempt.complete(result)
        finally:
            keeping.cancel()

    async def _within(self, seconds: float, operation: Operation, report: Report) -> OperationResult:
        """What the operation's work gives. An error that is no domain error is a bug: logged whole, told to nobody."""
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._works[operation.type](operation, report)
        except DomainError:
            raise
        except Exception as error:
            if limit.expired():
                raise DeadlineExceeded("the operation did not end within its time") from None
            _log.exception("operation %s failed", operation.id)
            raise DomainError("an internal error; the server's log tells it", reason="INTERNAL") from error
