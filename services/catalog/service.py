"""The RPCs of `llmchat.catalog.v1.CatalogService`."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    GetProviderHealthRequest,
    GetProviderHealthResponse,
    ListModelsRequest,
    ListModelsResponse,
    LoadModelRequest,
    ModelChange,
    RemoveModelRequest,
    UpsertModelRequest,
    WatchModelsRequest,
)
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.operations.v1.operation_pb2 import Operation

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from services.catalog.deprecation import deprecate_model
from services.catalog.model import list_models, read_model


class CatalogService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(self, documents: Documents, outbox: Outbox) -> None:
        self._documents = documents
        self._outbox = outbox

    async def ListModels(self, request: ListModelsRequest, call: Call) -> PageAnswer:
        page = await list_models(self._documents, request)
        return page.answer(ListModelsResponse, "models")

    def WatchModels(self, request: WatchModelsRequest, call: Call) -> AsyncGenerator[ModelChange, None]:
        raise NotImplementedError

    async def UpsertModel(self, request: UpsertModelRequest, call: Call) -> ModelConfig:
        raise NotImplementedError

    async def RemoveModel(self, request: RemoveModelRequest, call: Call) -> ModelConfig:
        raise NotImplementedError

    async def LoadModel(self, request: LoadModelRequest, call: Call) -> Operation:
        raise NotImplementedError

    async def GetProviderHealth(self, request: GetProviderHealthRequest, call: Call) -> GetProviderHealthResponse:
        raise NotImplementedError

    async def GetModel(self, request: GetModelRequest, call: Call) -> ModelConfig:
        return await read_model(self._documents, request.id)

    async def DeprecateModel(self, request: DeprecateModelRequest, call: Call) -> ModelConfig:
        async def deprecate(unit: Unit) -> ModelConfig:
            return await deprecate_model(unit, self._outbox, request)

        return await self._documents.once(call, request, ModelConfig, deprecate)
