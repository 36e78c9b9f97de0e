"""Group commit into one SQLite file that other processes may write to as well."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from libs.common.errors import Conflict, DomainError, Unavailable
from libs.common.store.sqlite.sharing import Turn, busy, patiently, pauses
from libs.common.store.sqlite.tables import Statement

_log = logging.getLogger(__name__)

_GROUP = 256  # units in one commit, at most


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one caller wants committed."""

    statements: list[Statement]
    done: asyncio.Future[None]


# What the thread does, and what then goes on in the loop.
_Job = tuple[asyncio.AbstractEventLoop, Callable[[], object], Callable[[Exception | None], None]]


class Writer:
    """While one transaction becomes durable, callers' units wait; then they run together in the next.

    Statements run on the event loop, the COMMIT with its fsync in a thread. (Statements in the thread would each wait
    for the interpreter lock: with a busy loop a commit would take as long as the loop is busy.)

    For each transaction the writer takes the turn among the processes. Where another has it the thread waits, never
    the loop, and units that come meanwhile join. Who has waited for `patience` seconds hears Unavailable.
    """

    def __init__(self, connection: sqlite3.Connection, turn: Turn, path: Path, patience: float) -> None:
        self._connection = connection
        self._turn = turn
        self._path = path
        self._patience = patience
        self._waiting: deque[_Unit] = deque()
        self._running = False
        self._refusal: asyncio.TimerHandle | None = None  # while the thread waits for the turn
        self._closed = False
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"commits of {path.name}", daemon=True)
        self._thread.start()

    def hand_in(self, statements: list[Statement]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        unit = _Unit(statements, loop.create_future())
        self._waiting.append(unit)
        if not self._running:
            self._running = True
            # Not at once: whoever else is about to commit in this round of the loop joins.
            loop.call_soon(self._start)
        return unit.done

    async def close(self) -> None:
        with suppress(Unavailable):
            await self.hand_in([])
        self._closed = True
        self._jobs.put(None)
        if self._refusal is None:
            self._thread.join()
        else:  # the thread ends when it is its turn
            self._refusal.cancel()
        self._connection.close()

    def _work(self) -> None:
        """The thread: one job after the other."""
        while (job := self._jobs.get()) is not None:
            loop, work, then = job
            failure: Exception | None = None
            try:
                work()
            except (sqlite3.Error, OSError) as error:
                failure = error
            try:
                loop.call_soon_threadsafe(then, failure)
            except RuntimeError:  # the loop is closed: nobody is left who waits
                self._turn.pass_on()
        self._turn.close()

    def _start(self) -> None:
        """Takes the turn, or lets the thread wait for it."""
        if not self._waiting:
            self._running = False
        elif self._turn.take():
            self._begin(pauses(self._patience))
        else:
            loop = asyncio.get_running_loop()
            self._refusal = loop.call_later(self._patience, self._refuse)
            self._jobs.put((loop, self._turn.wait, self._go_on))

    def _refuse(self) -> None:
        """The turn has not come for too long: all that wait hear of it, and those that come now wait on."""
        self._refusal = asyncio.get_running_loop().call_later(self._patience, self._refuse)
        if self._waiting:
            refused = list(self._waiting)
            self._waiting.clear()
            text = f"{self._path}: another process does not end its commit"
            _log.error("%s; %d units are refused", text, len(refused))
            self._tell(refused, [Unavailable(text) for _ in refused])

    def _go_on(self, error: Exception | None) -> None:
        """The thread has the turn, or could not wait for it."""
        if self._closed:
            return
        if self._refusal is not None:
            self._refusal.cancel()
            self._refusal = None
        if error is not None:
            self._finish(self._group(), [], error)
        elif self._waiting:
            self._begin(pauses(self._patience))
        else:
            self._turn.pass_on()
            self._running = False

    def _begin(self, pauses: Iterator[float]) -> None:
        """Begins the transaction; whoever is in the way now takes no turns: one that opens the file, or a tool."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except Exception as error:  # whatever it is, the callers hear of it
            pause = next(pauses, None) if busy(error) else None
            if pause is None:
                self._turn.pass_on()
                self._finish(self._group(), [], error)
            else:
                asyncio.get_running_loop().call_later(pause, self._begin, pauses)
            return
        self._run()

    def _group(self) -> list[_Unit]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP))]

    def _run(self) -> None:
        """Runs the units that wait in the transaction and lets the thread commit it."""
        group = self._group()
        outcomes: list[DomainError | None] = []

        def finish(error: Exception | None) -> None:
            self._finish(group, outcomes, error)

        try:
            outcomes.extend(self._apply(unit, len(group) > 1) for unit in group)
        except Exception as error:  # whatever it is, the callers hear of it
            self._roll_back()
            finish(error)
            return
        if all(outcomes):
            self._roll_back()
            finish(None)
        else:
            self._jobs.put((asyncio.get_running_loop(), self._commit, finish))

    def _commit(self) -> None:
        """In the thread: makes the transaction durable, or undoes it."""
        try:
            patiently(lambda: self._connection.execute("COMMIT"), self._patience)
        except sqlite3.Error:
            self._roll_back()
            raise
        self._turn.pass_on()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            self._connection.execute("ROLLBACK")
        self._turn.pass_on()

    def _finish(self, group: list[_Unit], outcomes: Sequence[DomainError | None], error: Exception | None) -> None:
        """Tells every caller what became of its unit, then goes on with those that came meanwhile."""
        if error is not None:
            _log.error("%s: a commit of %d units failed", self._path, len(group), exc_info=error)
            outcomes = [Unavailable(f"{self._path}: {error}") for _ in group]
        self._tell(group, outcomes)
        # After the callers that were just told: what they commit next joins.
        asyncio.get_running_loop().call_soon(self._start)

    def _tell(self, group: list[_Unit], outcomes: Sequence[DomainError | None]) -> None:
        for unit, outcome in zip(group, outcomes, strict=True):
            if unit.done.done():  # its caller was cancelled
                continue
            if outcome is None:
                unit.done.set_result(None)
            else:
                unit.done.set_exception(outcome)

    def _apply(self, unit: _Unit, shared: bool) -> Conflict | None:
        """Runs one unit. What it began before a conflict is undone if the transaction has other units."""
        execute = self._connection.execute
        # A single statement that conflicts has changed nothing.
        guarded = shared and len(unit.statements) > 1
        if guarded:
            execute("SAVEPOINT unit")
        for statement in unit.statements:
            if not self._holds(statement):
                if guarded:
                    execute("ROLLBACK TO unit")
                    execute("RELEASE unit")
                return Conflict(statement.write.collection, statement.write.id)
        if guarded:
            execute("RELEASE unit")
        return None

    def _holds(self, statement: Statement) -> bool:
        try:
            touched = self._connection.execute(statement.sql, statement.values).rowcount
        except sqlite3.IntegrityError:
            return False
        return statement.rows is None or statement.rows == touched
