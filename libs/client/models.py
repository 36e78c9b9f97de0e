"""The models to talk with."""

from __future__ import annotations

from collections.abc import AsyncIterator

from llmchat.catalog.v1 import catalog_service_pb2 as catalog
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.operations.v1.operation_pb2 import Operation

from libs.client.calls import new_request_id
from libs.client.connection import Connection


class Models(Connection):
    """The catalog, as everybody sees it."""

    async def list_models(self, *, page_size: int = 0) -> AsyncIterator[ModelConfig]:
        """The models to talk with, in display order."""
        request = catalog.ListModelsRequest(page_size=page_size)
        async for page in self._calls.pages(self._catalog.ListModels, request):
            for model in page.models:
                yield model

    async def get_model(self, id: str) -> ModelConfig:
        """One model."""
        return await self._calls.unary(self._catalog.GetModel, catalog.GetModelRequest(id=id))

    async def load_model(self, id: str) -> Operation:
        """Has a local model fetched and loaded, as far as the operation says."""
        request = catalog.LoadModelRequest(id=id, request_id=new_request_id())
        return await self._calls.unary(self._catalog.LoadModel, request)
