"""The RPCs of `llmchat.catalog.v1.CatalogService`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

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

from libs.common.caching.answers import Answers
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.catalog.checks import HealthChecks
from services.catalog.deprecation import deprecate_model
from services.catalog.loading import load_model
from services.catalog.model import list_models, read_model
from services.catalog.removal import remove_model
from services.catalog.shown import MODELS_CHANGE, RememberedHealths, shown
from services.catalog.upsert import upsert_model
from services.catalog.watching import watch_models

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub

    from libs.common.rpc.pipeline import Answer


class CatalogService:
    """Thin: each method hands its request to the use case of that name. Models go out with their makers' health."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        outbox: Outbox,
        healths: RememberedHealths,
        checks: HealthChecks,
        operations: OperationsServiceAsyncStub,
        models: Answers,
        lists: Answers,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._outbox = outbox
        self._healths = healths
        self._checks = checks
        self._operations = operations
        self._models = models
        self._lists = lists

    async def ListModels(self, request: ListModelsRequest, call: Call) -> Answer:
        async def read() -> ListModelsResponse:
            page = await list_models(self._documents, request)
            healths = await self._healths.all()
            models = [shown(model, healths) for model in page.items]
            return ListModelsResponse(models=models, next_page_token=page.next_token, total_size=page.total)

        if request.page_token:
            return await read()
        # All callers get the same, but for the token of a next page, which is the caller's own.
        return await self._lists.answer(MODELS_CHANGE, request, read, keep=lambda page: not page.next_page_token)

    async def GetModel(self, request: GetModelRequest, call: Call) -> Answer:
        async def read() -> ModelConfig:
            return await self._shown(await read_model(self._documents, request.id))

        return await self._models.answer(MODELS_CHANGE, request, read)

    def WatchModels(self, request: WatchModelsRequest, call: Call) -> AsyncGenerator[ModelChange, None]:
        return watch_models(self._documents, self._changes)

    async def UpsertModel(self, request: UpsertModelRequest, call: Call) -> ModelConfig:
        async def upsert(unit: Unit) -> ModelConfig:
            return await upsert_model(unit, self._changes, self._outbox, request)

        return await self._shown(await self._documents.once(call, request, ModelConfig, upsert))

    async def DeprecateModel(self, request: DeprecateModelRequest, call: Call) -> ModelConfig:
        async def deprecate(unit: Unit) -> ModelConfig:
            return await deprecate_model(unit, self._changes, self._outbox, request)

        return await self._shown(await self._documents.once(call, request, ModelConfig, deprecate))

    async def RemoveModel(self, request: RemoveModelRequest, call: Call) -> ModelConfig:
        async def remove(unit: Unit) -> ModelConfig:
            return await remove_model(unit, self._changes, self._outbox, request)

        return await self._shown(await self._documents.once(call, request, ModelConfig, remove))

    async def LoadModel(self, request: LoadModelRequest, call: Call) -> Operation:
        return await load_model(self._operations, request)

    async def GetProviderHealth(self, request: GetProviderHealthRequest, call: Call) -> GetProviderHealthResponse:
        return GetProviderHealthResponse(providers=await self._checks.read(request))

    async def _shown(self, model: ModelConfig) -> ModelConfig:
        return shown(model, await self._healths.all())
