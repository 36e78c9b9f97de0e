"""What the operations service's documents refer to."""

from __future__ import annotations

from collections.abc import Iterable

from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_DELETE_USER, Operation

from libs.common.documents.system import LEASES
from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.operations.collections import OPERATIONS


def _user(operation: Operation) -> Iterable[str]:
    # It tells how a person's deletion went when there is no such person any more.
    return () if operation.type == OPERATION_TYPE_DELETE_USER else (operation.user_id,)


REFERENCES = References(
    kinds=(KindSpec("operation", OPERATIONS),),
    references=(
        ReferenceSpec(OPERATIONS, "user", _user),
        ReferenceSpec(OPERATIONS, "thread", lambda operation: (operation.thread_id,)),
        ReferenceSpec(OPERATIONS, "message", lambda operation: (operation.message_id,)),
        ReferenceSpec(OPERATIONS, "model", lambda operation: (operation.model_id,)),
        ReferenceSpec(LEASES, "operation", lambda lease: (lease.id,)),
    ),
)
