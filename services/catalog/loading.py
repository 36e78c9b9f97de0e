"""Having a local model loaded, which takes longer than a call: an operation of the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import LoadModelRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_LOAD_MODEL, Operation
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from services.catalog.model import is_in_use, read_model

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub


async def load_model(
    documents: Documents, operations: OperationsServiceAsyncStub, call: Call, request: LoadModelRequest
) -> Operation:
    """The operation that fetches and loads the model, in the name of the caller. A repeat gets the first one's.

    Raises:
        NotFound: there is no such model.
        Precondition: it is not in use (reason MODEL_UNAVAILABLE), or cannot be loaded (reason NOT_LOADABLE); or what
            operations says: models are not loaded here.
    """

    async def require_loadable(unit: Unit) -> ModelConfig:
        model = await read_model(unit, request.id)
        if not is_in_use(model):
            raise Precondition(f"the model {model.id} is not in use any more", reason="MODEL_UNAVAILABLE")
        if not model.status.loading_supported:
            raise Precondition(f"the model {model.id} is not one that is loaded", reason="NOT_LOADABLE")
        return model

    # So a repeat is not refused for what has changed since.
    await documents.once(call, request, ModelConfig, require_loadable)
    return await operations.CreateOperation(
        CreateOperationRequest(type=OPERATION_TYPE_LOAD_MODEL, model_id=request.id, request_id=request.request_id)
    )
