"""What is under way, by what it is about: one document for each unended operation that a worker carries out.

It is made in the commit of the operation and goes in that of its end.
"""

from __future__ import annotations

from llmchat.operations.stored.v1.unended_operation_pb2 import UnendedOperation
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.operations.collections import UNENDED_OPERATIONS

# Under this one there is one for the whole installation.
MIGRATION = "migrate_data"


def subject_of(operation: Operation) -> str:
    """What an operation is about; empty for one that no worker carries out.

    Two are about the same where they find a title of the same thread, sum it up for the same model, load the same model
    for the same person, or bring stored documents up to date.
    """
    match operation.type:
        case operation_pb2.OPERATION_TYPE_SUMMARIZE:
            return f"summarize.{operation.thread_id}.{operation.model_id}"
        case operation_pb2.OPERATION_TYPE_GENERATE_TITLE:
            return f"generate_title.{operation.thread_id}"
        case operation_pb2.OPERATION_TYPE_LOAD_MODEL:
            return f"load_model.{operation.user_id}.{operation.model_id}"
        case operation_pb2.OPERATION_TYPE_MIGRATE_DATA:
            return MIGRATION
    return ""


async def find_unended(unit: Unit, operation: Operation) -> str:
    """The id of the unended operation about the same as `operation`; empty where there is none."""
    unended = await unit.find(UNENDED_OPERATIONS, subject_of(operation))
    return unended.operation_id if unended is not None else ""


def mark_unended(unit: Unit, operation: Operation) -> None:
    """Stages that `operation` is under way; to be asked for by `find_unended` before."""
    unended = UnendedOperation(id=subject_of(operation), operation_id=operation.id, user_id=operation.user_id)
    unit.create(UNENDED_OPERATIONS, unended)


async def mark_ended(unit: Unit, subject: str, operation_id: str) -> None:
    """Stages that the operation is not under way any more.

    One of an earlier version has no mark, and what was begun beside it meanwhile keeps its own.
    """
    unended = await unit.find(UNENDED_OPERATIONS, subject) if subject else None
    if unended is not None and unended.operation_id == operation_id:
        unit.delete(UNENDED_OPERATIONS, subject)


async def count_unended(unit: Unit, user_id: str) -> int:
    """How many operations of the person are under way; those that are begun at this moment are not counted."""
    return await unit.count(Query.where(UNENDED_OPERATIONS, order="id", user_id=user_id))
