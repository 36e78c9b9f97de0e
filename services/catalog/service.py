"""The RPCs of `llmchat.catalog.v1.CatalogService`."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2 import (
    DeprecateModelRequest,
    GetModelRequest,
    ListModelsRequest,
    ListModelsResponse,
)
from llmchat.catalog.v1.model_config_pb2 import ModelConfig

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

    async def GetModel(self, request: GetModelRequest, call: Call) -> ModelConfig:
        return await read_model(self._documents, request.id)

    async def DeprecateModel(self, request: DeprecateModelRequest, call: Call) -> ModelConfig:
        async def deprecate(unit: Unit) -> ModelConfig:
            return await deprecate_model(unit, self._outbox, request)

        return await self._documents.once(call, request, ModelConfig, deprecate)
