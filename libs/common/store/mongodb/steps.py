"""A commit as the steps of one `bulkWrite`, and which document its results say has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.errors import ClientBulkWriteException, WriteError
from pymongo.results import ClientBulkWriteResult

from libs.common.errors import Conflict
from libs.common.store.mongodb.layout import Layout
from libs.common.store.port import Put, Write

_MAX_INTEGER = 2**63 - 1
_DUPLICATE = 11000

Model = InsertOne[dict[str, Any]] | UpdateOne | DeleteOne


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a write. It has conflicted if `one` and it touched no document, or its document was there already."""

    model: Model
    write: Write
    one: bool = False


def steps_of(write: Write, layout: Layout[Any], database: str) -> list[Step]:
    """The steps of a write; its message is encoded here and not kept.

    Raises:
        Invalid: the message holds a number that JSON cannot.
    """
    namespace = f"{database}.{layout.spec.name}"
    if isinstance(write, Put):
        return [_put(write, layout, namespace)]
    by_id: dict[str, Any] = {"_id": write.id}
    if write.if_revision is None:
        return [Step(DeleteOne(by_id, namespace=namespace), write)]
    if write.if_revision:
        return [Step(DeleteOne(_at(write.id, write.if_revision), namespace=namespace), write, one=True)]
    # The same key of the same index is written by whoever puts the document: one of the two transactions must fail.
    # To have only looked would let both through.
    return [
        Step(InsertOne(by_id, namespace=namespace), write),
        Step(DeleteOne(by_id, namespace=namespace), write, one=True),
    ]


def check(steps: Sequence[Step], result: ClientBulkWriteResult) -> None:
    """Looks whether every step met the document it expected.

    Raises:
        Conflict: one did not; names the first such document.
    """
    results: dict[int, Any] = {**result.update_results, **result.delete_results}
    for number, found in sorted(results.items()):
        step = steps[number]
        if step.one and not (found.deleted_count if isinstance(step.model, DeleteOne) else found.matched_count):
            raise Conflict(step.write.collection, step.write.id)


def check_failed(steps: Sequence[Step], failed: ClientBulkWriteException) -> None:
    """As `check`, where a step failed; the steps after it were not tried.

    Raises:
        Conflict: as `check`.
        PyMongoError: why it failed otherwise.
    """
    if failed.partial_result is not None:
        check(steps, failed.partial_result)
    if failed.error is not None:
        raise failed.error
    for error in failed.details["writeErrors"]:
        step = steps[error["idx"]]
        if error["code"] == _DUPLICATE and isinstance(step.model, InsertOne):
            raise Conflict(step.write.collection, step.write.id)
        raise WriteError(error.get("errmsg", ""), error["code"])
    raise failed


def _put(write: Put, layout: Layout[Any], namespace: str) -> Step:
    kept = layout.kept(write.message)
    if write.if_revision == 0:
        document = {"_id": write.id, "revision": write.revision or 1, **kept}
        return Step(InsertOne(document, namespace=namespace), write)
    change: dict[str, Any] = {"$set": kept}
    if write.revision is None:
        change["$inc"] = {"revision": 1}
    else:
        kept["revision"] = write.revision
    if write.if_revision is None:
        return Step(UpdateOne({"_id": write.id}, change, upsert=True, namespace=namespace), write)
    return Step(UpdateOne(_at(write.id, write.if_revision), change, namespace=namespace), write, one=True)


def _at(id: str, revision: int) -> dict[str, Any]:
    return {"_id": id, "revision": min(revision, _MAX_INTEGER)}
