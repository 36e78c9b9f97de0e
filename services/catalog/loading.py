"""Having a local model loaded, which takes longer than a call: an operation of the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import LoadModelRequest
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_LOAD_MODEL, Operation
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub


async def load_model(operations: OperationsServiceAsyncStub, request: LoadModelRequest) -> Operation:
    """The operation that fetches and loads the model, begun in the name of the caller; a repeat gets the first one's.

    Whether the model may be loaded is asked where that is remembered, so that a repeat is not refused for what has
    changed since.

    Raises:
        NotFound: there is no such model.
        Precondition: it is not in use, cannot be loaded, or the loading of models is switched off (reasons
            MODEL_UNAVAILABLE, NOT_LOADABLE, FEATURE_OFF).
        Exhausted: too many operations of the caller's are under way.
    """
    return await operations.CreateOperation(
        CreateOperationRequest(type=OPERATION_TYPE_LOAD_MODEL, model_id=request.id, request_id=request.request_id)
    )
