"""What has become of a migration: its record, and how that goes from one state to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from llmchat.store.v1 import migration_pb2
from llmchat.store.v1.migration_pb2 import MigrationProgress, MigrationRecord, MigrationState

from libs.common.clock import timestamp
from libs.common.documents.system import MIGRATIONS
from libs.common.documents.unit import Unit
from libs.common.migrations.loading import NumberedMigration

PENDING = migration_pb2.MIGRATION_STATE_PENDING
RUNNING = migration_pb2.MIGRATION_STATE_RUNNING
VALIDATING = migration_pb2.MIGRATION_STATE_VALIDATING
APPLIED = migration_pb2.MIGRATION_STATE_APPLIED
ROLLING_BACK = migration_pb2.MIGRATION_STATE_ROLLING_BACK
ROLLED_BACK = migration_pb2.MIGRATION_STATE_ROLLED_BACK
FAILED = migration_pb2.MIGRATION_STATE_FAILED

# Nothing of a migration in these stands in the documents.
UNDONE = (PENDING, ROLLED_BACK)
# The file of one that failed may have to be put right before anything goes on.
_EDITABLE = (*UNDONE, FAILED)
_NEXT: Mapping[int, MigrationState] = MappingProxyType(
    {RUNNING: VALIDATING, VALIDATING: APPLIED, ROLLING_BACK: ROLLED_BACK}
)


@dataclass(frozen=True, slots=True)
class Known:
    """A migration's record, and how that goes with its file. One that was never begun is PENDING."""

    record: MigrationRecord
    is_edited: bool = False
    is_unknown: bool = False


def known(numbered: Sequence[NumberedMigration], records: Sequence[MigrationRecord]) -> list[Known]:
    """All migrations, by number; those too that a later version of the service has applied, and this one has not."""
    stored = {record.id: record for record in records}
    found = []
    for one in numbered:
        record = stored.pop(one.id, None)
        if record is None:
            found.append(Known(_new(one)))
        else:
            is_edited = record.state not in _EDITABLE and record.checksum != one.checksum
            found.append(Known(record, is_edited=is_edited))
    return [*found, *(Known(record, is_unknown=True) for record in stored.values())]


async def begin(one: NumberedMigration, totals: Sequence[int], by: str, unit: Unit) -> MigrationRecord:
    """Stages that it runs; one that was cut off goes on where it was.

    `totals` are how many documents the collection of each part has.
    """
    record = await unit.find(MIGRATIONS, one.id)
    if record is not None and record.state in (RUNNING, VALIDATING):
        return record
    record = _new(one)
    record.state = RUNNING
    record.applied_by = by
    record.started_at.CopyFrom(timestamp(unit.now))
    for part, total in zip(one.migration.parts, totals, strict=True):
        record.progress.append(MigrationProgress(collection=part.spec.name, documents=total))
    return unit.put(MIGRATIONS, record)


async def turn_back(one: NumberedMigration, by: str, error: str, unit: Unit) -> MigrationRecord:
    """Stages that it is rolled back; a rollback that was cut off goes on where it was.

    With `error`, for it failed: of what it had not come to, nothing is rolled back.
    """
    record = await unit.get(MIGRATIONS, one.id)
    parts = one.migration.parts
    if [progress.collection for progress in record.progress] != [part.spec.name for part in parts]:
        # Its file was edited since: all that it names now is gone through.
        record.ClearField("progress")
        record.progress.extend(MigrationProgress(collection=part.spec.name) for part in parts)
    elif record.state != ROLLING_BACK:
        for progress in record.progress:
            progress.after_id, progress.rolled_back = "", 0
            progress.is_passed = bool(error) and not progress.read
    record.state = ROLLING_BACK
    record.error, record.applied_by = error, by
    record.ClearField("completed_at")
    return unit.put(MIGRATIONS, record)


async def give_up(one: NumberedMigration, error: str, unit: Unit) -> MigrationRecord:
    """Stages that it cannot be rolled back."""
    record = await unit.get(MIGRATIONS, one.id)
    record.state = FAILED
    record.error = "; ".join(filter(None, (record.error, f"rolling it back: {error}")))
    record.completed_at.CopyFrom(timestamp(unit.now))
    return unit.put(MIGRATIONS, record)


def pass_on(record: MigrationRecord, now: int) -> None:
    """Puts one that has gone through all documents into its next state."""
    record.state = _NEXT[record.state]
    if record.state == VALIDATING:
        for progress in record.progress:
            progress.after_id, progress.is_passed = "", False
    else:
        record.completed_at.CopyFrom(timestamp(now))


def _new(one: NumberedMigration) -> MigrationRecord:
    """What the file says."""
    return MigrationRecord(
        id=one.id,
        number=one.number,
        name=one.name,
        description=one.migration.description,
        checksum=one.checksum,
        state=PENDING,
    )
