"""What the operations service's documents refer to."""

from __future__ import annotations

from collections.abc import Iterable

from llmchat.operations.stored.v1.unended_operation_pb2 import UnendedOperation
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_DELETE_USER, OPERATION_TYPE_MIGRATE_DATA, Operation

from libs.common.documents.system import LEASES
from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.operations.collections import OPERATIONS, UNENDED_OPERATIONS
from services.operations.operation import has_ended
from services.operations.unended import MIGRATION

# The one tells how a person's deletion went when there is no such person any more; for the other one may ask who holds
# the installation's key, and is no person.
_NOBODYS = (OPERATION_TYPE_DELETE_USER, OPERATION_TYPE_MIGRATE_DATA)


def _user(operation: Operation) -> Iterable[str]:
    return () if operation.type in _NOBODYS else (operation.user_id,)


def _user_of_unended(unended: UnendedOperation) -> Iterable[str]:
    return () if unended.id == MIGRATION else (unended.user_id,)


REFERENCES = References(
    kinds=(
        KindSpec("operation", OPERATIONS),
        KindSpec("unended operation", OPERATIONS, lambda operation: not has_ended(operation)),
    ),
    references=(
        ReferenceSpec(OPERATIONS, "user", _user),
        ReferenceSpec(OPERATIONS, "thread", lambda operation: (operation.thread_id,)),
        ReferenceSpec(OPERATIONS, "message", lambda operation: (operation.message_id,)),
        ReferenceSpec(OPERATIONS, "model", lambda operation: (operation.model_id,)),
        ReferenceSpec(UNENDED_OPERATIONS, "user", _user_of_unended),
        ReferenceSpec(UNENDED_OPERATIONS, "unended operation", lambda unended: (unended.operation_id,)),
        ReferenceSpec(LEASES, "operation", lambda lease: (lease.id,)),
    ),
)
