"""CreateOperation and RetryOperation: what people have done in the background.

What an operation is about must be there, and be theirs, when it is asked for; what becomes of that later, its work
meets.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.operations.v1 import operation_pb2
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest, RetryOperationRequest
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.access.live_config import LiveConfig
from libs.common.context import Call, Caller
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit, new_id
from libs.common.errors import Denied, Exhausted, FieldViolation, Invalid, Precondition
from libs.common.events.changes import Changes
from libs.common.rpc.channels import Channels
from libs.common.settings import SERVICES
from services.operations.collections import OPERATIONS
from services.operations.migrate_data import SERVICE
from services.operations.operation import begin_again, begin_operation
from services.operations.settings import OperationsSettings
from services.operations.unended import count_unended, find_unended


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an operation of a type is about, and the names of its parameters."""

    thread: bool = False
    model: bool = False
    parameters: frozenset[str] = frozenset()


_KINDS = {
    operation_pb2.OPERATION_TYPE_SUMMARIZE: _Kind(thread=True, model=True),
    operation_pb2.OPERATION_TYPE_GENERATE_TITLE: _Kind(thread=True, model=True),
    operation_pb2.OPERATION_TYPE_LOAD_MODEL: _Kind(model=True),
    operation_pb2.OPERATION_TYPE_MIGRATE_DATA: _Kind(parameters=frozenset((SERVICE,))),
}


class Creating:
    """Begins operations, and begins failed ones again."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        channels: Channels,
        config: LiveConfig,
        settings: OperationsSettings,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._threads = channels.stub("threads", ThreadsServiceStub)
        self._catalog = channels.stub("catalog", CatalogServiceStub)
        self._config = config
        self._settings = settings

    async def create(self, call: Call, request: CreateOperationRequest) -> Operation:
        """The operation that was asked for; an unended one about the same is given in its place.

        Raises:
            Invalid: what the type needs is not given, or what it does not take is; or nobody asks for it.
            Denied: a high priority, or the type, is for administrators.
            NotFound: no such thread of the caller's, or no such model.
            Precondition: the thread has a title, the model is not in use or cannot be loaded, or an administrator has
                switched this off (reasons HAS_TITLE, MODEL_UNAVAILABLE, NOT_LOADABLE, FEATURE_OFF).
            Exhausted: too many operations of the person's are under way (reason TOO_MANY_OPERATIONS).
        """
        kind = _KINDS[request.type]
        _require_sound(request, kind, call.caller)

        # All that may be refused is asked here: a repeat has the first answer, whatever has become of thread and model.
        async def begin(unit: Unit) -> Operation:
            operation = Operation(
                id=new_id(OPERATIONS),
                type=request.type,
                user_id=call.caller.user_id,
                thread_id=request.thread_id,
                model_id=request.model_id,
                priority=request.priority or operation_pb2.OPERATION_PRIORITY_NORMAL,
                parameters=request.parameters if request.parameters.fields else None,
            )
            await self._require_possible(unit, operation, call.caller)
            if not await find_unended(unit, operation):
                await self._require_room(unit, operation)
            return await begin_operation(unit, self._changes, operation)

        return await self._documents.once(call, request, Operation, begin)

    async def retry(self, call: Call, request: RetryOperationRequest) -> Operation:
        """The failed operation, waiting again with all its time and tries.

        Its error stays to be seen until it ends well, or fails of another one.

        Raises:
            NotFound: there is no such operation of the caller's; or its thread or model is gone.
            Denied: it is for administrators, and the caller is none any more.
            Precondition: it has not failed, its thread was deleted, or another one about the same is under way (reasons
                NOT_FAILED, THREAD_DELETED, ALREADY_UNDER_WAY); or as for a new one.
            Exhausted: as for a new one.
        """

        async def again(unit: Unit) -> Operation:
            operation = await read_owned(unit, OPERATIONS, call.caller, request.id)
            if operation.status != operation_pb2.OPERATION_STATUS_FAILED:
                raise Precondition("the operation has not failed", reason="NOT_FAILED")
            if _KINDS[operation.type].thread and not operation.thread_id:
                raise Precondition("the operation's thread was deleted", reason="THREAD_DELETED")
            await self._require_possible(unit, operation, call.caller)
            if unended := await find_unended(unit, operation):
                text = f"{unended} does the same already"
                raise Precondition(text, reason="ALREADY_UNDER_WAY", metadata={"operation_id": unended})
            await self._require_room(unit, operation)
            return begin_again(unit, self._changes, operation)

        return await self._documents.once(call, request, Operation, again)

    async def _require_possible(self, unit: Unit, operation: Operation, caller: Caller) -> None:
        await require_alive(unit, "user", caller.user_id)
        features = self._config.current.features
        match operation.type:
            case operation_pb2.OPERATION_TYPE_MIGRATE_DATA if not caller.is_admin:
                raise Denied("only an administrator has stored documents brought up to date")
            case operation_pb2.OPERATION_TYPE_SUMMARIZE if not features.summarization:
                raise Precondition("summaries are switched off here", reason="FEATURE_OFF")
            case operation_pb2.OPERATION_TYPE_LOAD_MODEL if not features.model_loading:
                raise Precondition("the loading of models is switched off here", reason="FEATURE_OFF")
        if operation.thread_id:
            thread = await self._threads.GetThread(GetThreadRequest(id=operation.thread_id))
            # Its end may be on its way here, or already have passed.
            await require_alive(unit, "thread", thread.id)
            if operation.type == operation_pb2.OPERATION_TYPE_GENERATE_TITLE and thread.has_title:
                raise Precondition("the thread has a title", reason="HAS_TITLE")
        if operation.model_id:
            model = await self._catalog.GetModel(GetModelRequest(id=operation.model_id))
            if operation.type == operation_pb2.OPERATION_TYPE_LOAD_MODEL:
                _require_loadable(model)

    async def _require_room(self, unit: Unit, operation: Operation) -> None:
        """Those that come at the same moment do not see each other: a person may so have a few more."""
        most = self._settings.operations_per_user
        if await count_unended(unit, operation.user_id) >= most:
            text = f"{most} operations are under way already: wait for one, or cancel one"
            raise Exhausted(text, reason="TOO_MANY_OPERATIONS")


def _require_loadable(model: ModelConfig) -> None:
    if model.HasField("deprecated_at") or model.HasField("removed_at"):
        raise Precondition(f"the model {model.id} is not in use any more", reason="MODEL_UNAVAILABLE")
    if not model.status.loading_supported:
        raise Precondition(f"the model {model.id} is not one that is loaded", reason="NOT_LOADABLE")


def _require_sound(request: CreateOperationRequest, kind: _Kind, caller: Caller) -> None:
    violations = [
        FieldViolation(field, "must be given" if is_wanted else "is nothing that this type takes")
        for field, is_wanted in (("thread_id", kind.thread), ("model_id", kind.model))
        if bool(getattr(request, field)) != is_wanted
    ]
    for name, value in request.parameters.fields.items():
        if name not in kind.parameters:
            violations.append(FieldViolation(f"parameters.{name}", "is nothing that this type takes"))
        elif value.string_value not in SERVICES:
            violations.append(FieldViolation(f"parameters.{name}", f"must be one of {', '.join(SERVICES)}"))
    if violations:
        raise Invalid("; ".join(f"{one.field}: {one.description}" for one in violations), violations)
    if not caller.user_id:
        raise Invalid("an operation is somebody's: the service acts for nobody")
    if request.priority == operation_pb2.OPERATION_PRIORITY_HIGH and not caller.is_admin:
        raise Denied("a high priority is for administrators")
