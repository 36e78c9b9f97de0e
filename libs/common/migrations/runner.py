"""Runs a service's migrations page by page, so that whoever goes on after a crash goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from llmchat.store.v1.migration_pb2 import MigrationProgress, MigrationRecord, MigrationState

from libs.common.documents.documents import Documents
from libs.common.documents.portions import read_portion
from libs.common.documents.system import MIGRATIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, Invalid, Precondition, Unavailable
from libs.common.migrations import records
from libs.common.migrations.declaration import Part
from libs.common.migrations.loading import Migrations, NumberedMigration
from libs.common.migrations.lock import Lock, LockLost
from libs.common.migrations.parts import Broken, Parts
from libs.common.migrations.records import Known
from libs.common.store.port import CollectionSpec, Query

_log = logging.getLogger(__name__)

# Documents of a page. Where others keep changing some of them, fewer are tried.
_SIZES: Final = (100, 10, 1)
# What is told, in the unit that rewrites it, of each document that a migration rewrites.
Rewriting = Callable[[Unit, CollectionSpec[Any], Any], None]


def untold(unit: Unit, spec: CollectionSpec[Any], document: Message) -> None:
    """Nobody is told that the document is rewritten."""


class Runner:
    """Applies and rolls back the migrations of one service.

    Each page is one commit: the documents, how far the migration is, and the lock.
    """

    def __init__(
        self,
        documents: Documents,
        migrations: Migrations,
        *,
        holder: str,
        exclusive: bool,
        lease_seconds: float,
        rewriting: Rewriting = untold,
    ) -> None:
        """Args:
        documents: the service's, as they are stored.
        migrations: all of them.
        holder: names this process.
        exclusive: no other process works on these documents.
        lease_seconds: after which a silent process counts as dead.
        rewriting: is told of what is rewritten.
        """
        self._documents = documents
        self._migrations = migrations
        self._parts = Parts(migrations)
        self._holder = holder
        self._exclusive = exclusive
        self._lease_seconds = lease_seconds
        self._rewriting = rewriting

    @property
    def service(self) -> str:
        """Whose they are."""
        return self._migrations.service

    async def known(self) -> list[Known]:
        """All migrations, by number; those too that a later version of the service has applied."""
        return records.known(self._migrations.numbered, await self._documents.query(Query.by_id(MIGRATIONS)))

    async def pending(self) -> list[MigrationRecord]:
        """What `up` would apply.

        Raises:
            Precondition: one that is not pending was edited (reason MIGRATION_EDITED).
        """
        found = await self.known()
        for one in found:
            if one.is_edited:
                name = f"{self.service} {one.record.id}_{one.record.name}"
                text = f"the file of migration {name} was edited after it was begun: put it back, or add another one"
                raise Precondition(text, reason="MIGRATION_EDITED")
        return [one.record for one in found if not one.is_unknown and one.record.state != records.APPLIED]

    async def up(self, by: str) -> AsyncGenerator[MigrationRecord, None]:
        """Applies what is pending, in order; gives each migration as it is after every page.

        Who stops listening has it stop after the page. `by` is who has it done.

        Raises:
            Precondition: one failed and was rolled back, and what comes after it was not begun (reason
                MIGRATION_FAILED); or as `pending`.
            Contended: another process runs them, now (reason MIGRATIONS_UNDER_WAY); or others keep changing a document.
        """
        async with self._locked() as lock:
            pending = {record.id for record in await self.pending()}
            for one in self._migrations.numbered:
                if one.id in pending:
                    try:
                        async for record in self._apply(lock, one, by):
                            yield record
                    except Broken as error:
                        async for record in self._undo_broken(lock, one, str(error), by):
                            yield record
                        raise self._failed(record) from error

    async def down(self, to: int, by: str) -> AsyncGenerator[MigrationRecord, None]:
        """Rolls back what was applied, or begun, beyond number `to`, the last one first; otherwise as `up`.

        Raises:
            Invalid: there is no such number.
            Precondition: one could not be rolled back (reason MIGRATION_FAILED), or was applied by a later version,
                which alone knows how to take it back (reason MIGRATION_UNKNOWN).
            Contended: as `up`.
        """
        if to > len(self._migrations.numbered):
            raise Invalid.field("to", f"is no number of a migration of {self.service}")
        async with self._locked() as lock:
            states = {}
            for found in await self.known():
                states[found.record.id] = found.record.state
                if found.is_unknown and found.record.state not in records.UNDONE:
                    text = f"this version knows no migration {found.record.id}_{found.record.name} of {self.service}"
                    raise Precondition(text, reason="MIGRATION_UNKNOWN")
            for one in reversed(self._migrations.numbered):
                if one.number > to and states[one.id] not in records.UNDONE:
                    yield await self._unit(lock, partial(records.turn_back, one, by, ""))
                    async for record in self._roll_back(lock, one):
                        yield record
                    if record.state == records.FAILED:
                        raise self._failed(record)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[Lock]:
        lock = Lock(self._documents, self._holder, self._lease_seconds, exclusive=self._exclusive)
        await lock.take()
        try:
            yield lock
        finally:
            try:
                await lock.release()
            except (Unavailable, Contended) as error:
                _log.warning("the migrations of %s stay locked for a while: %s", self.service, error.text)

    async def _apply(self, lock: Lock, one: NumberedMigration, by: str) -> AsyncIterator[MigrationRecord]:
        totals = [await self._documents.store.count(Query.by_id(part.spec)) for part in one.migration.parts]
        record = await self._documents.find(MIGRATIONS, one.id)
        if record is not None and record.state in (records.ROLLING_BACK, records.FAILED):
            # What is half rolled back is neither: that is seen to an end before anything else.
            error = "" if record.state == records.FAILED else record.error
            yield await self._unit(lock, partial(records.turn_back, one, by, error))
            async for record in self._roll_back(lock, one):
                yield record
            if record.state == records.FAILED:
                raise self._failed(record)
        record = await self._unit(lock, partial(records.begin, one, totals, by))
        yield record
        while record.state != records.APPLIED:
            yield (record := await self._page(lock, one))
        _log.info("migration %s_%s of %s is applied", one.id, one.name, self.service)

    async def _undo_broken(
        self, lock: Lock, one: NumberedMigration, error: str, by: str
    ) -> AsyncIterator[MigrationRecord]:
        _log.error("migration %s_%s of %s failed: %s", one.id, one.name, self.service, error)
        yield await self._unit(lock, partial(records.turn_back, one, by, error))
        async for record in self._roll_back(lock, one):
            yield record

    async def _roll_back(self, lock: Lock, one: NumberedMigration) -> AsyncIterator[MigrationRecord]:
        """Gives the migration as FAILED in the end where its own code cannot roll it back."""
        state = records.ROLLING_BACK
        while state == records.ROLLING_BACK:
            try:
                record = await self._page(lock, one)
            except Broken as error:
                record = await self._unit(lock, partial(records.give_up, one, str(error)))
            state = record.state
            yield record

    def _failed(self, record: MigrationRecord) -> Precondition:
        is_undone = record.state == records.ROLLED_BACK
        end = "was rolled back" if is_undone else "could not be rolled back"
        text = f"migration {record.id}_{record.name} of {self.service} failed and {end}: {record.error}"
        return Precondition(text, reason="MIGRATION_FAILED")

    async def _page(self, lock: Lock, one: NumberedMigration) -> MigrationRecord:
        """One page further, in what the migration's state says."""
        for size in _SIZES[:-1]:
            try:
                return await self._unit(lock, partial(self._step, one, size))
            except LockLost:
                raise
            except Contended:
                continue
        return await self._unit(lock, partial(self._step, one, _SIZES[-1]))

    async def _unit(self, lock: Lock, work: Callable[[Unit], Awaitable[MigrationRecord]]) -> MigrationRecord:
        async def held(unit: Unit) -> MigrationRecord:
            await lock.hold(unit)
            return await work(unit)

        return await self._documents.unit(held)

    async def _step(self, one: NumberedMigration, size: int, unit: Unit) -> MigrationRecord:
        record = await unit.get(MIGRATIONS, one.id)
        ahead = list(zip(one.migration.parts, record.progress, strict=True))
        if record.state == records.ROLLING_BACK:
            ahead.reverse()
        for part, progress in ahead:
            if not progress.is_passed:
                await self._step_of(unit, record.state, part, progress, size)
                break
        if all(progress.is_passed for progress in record.progress):
            records.pass_on(record, unit.now)
        return unit.put(MIGRATIONS, record)

    async def _step_of(
        self,
        unit: Unit,
        state: MigrationState,
        part: Part,
        progress: MigrationProgress,
        size: int,
    ) -> None:
        portion = await read_portion(unit, Query.by_id(part.spec, after=progress.after_id or None), size)
        page = portion.documents
        changed: Sequence[Any] = ()
        match state:
            case records.RUNNING:
                changed = await self._parts.up(unit, part, page)
                progress.read += len(page)
                progress.rewritten += len(changed)
            case records.VALIDATING:
                await self._parts.validate(unit, part, page)
            case records.ROLLING_BACK:
                changed = await self._parts.down(unit, part, page)
                progress.rolled_back += len(changed)
        for document in changed:
            self._rewriting(unit, part.spec, document)
            unit.put(part.spec, document)
        if page:
            progress.after_id = page[-1].id
        progress.is_passed = portion.is_last
