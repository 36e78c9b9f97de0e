"""The RPCs of `llmchat.catalog.v1.CatalogService`."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, ListModelsRequest, ListModelsResponse
from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer
from services.catalog.model import list_models, read_model


class CatalogService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def ListModels(self, request: ListModelsRequest, call: Call) -> PageAnswer:
        page = await list_models(self._documents, request)
        return page.answer(ListModelsResponse, "models")

    async def GetModel(self, request: GetModelRequest, call: Call) -> ModelConfig:
        return await read_model(self._documents, request.id)

    async def DeprecateModel(self, request, call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        raise NotImplementedError
