"""The catalog's use cases: models in display order, by id, and those that a new catalog begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmchat.catalog.v1.catalog_service_pb2 import ListModelsRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.pages import Page
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.store.port import Query
from services.catalog.collections import MODELS

_PAGE_SIZE = 50


async def read_model(documents: Documents | Unit, id: str) -> ModelConfig:
    """The model.

    Raises:
        NotFound: there is none.
    """
    model = await documents.find(MODELS, id)
    if model is None:
        raise NotFound("model", id)
    return model


async def list_models(documents: Documents, request: ListModelsRequest) -> Page[ModelConfig]:
    """A page of the models in display order, of one provider where the request names one.

    Raises:
        Invalid: the page token is not one that this list gave this caller.
    """
    equals: dict[str, Any] = {"provider": request.provider} if request.provider else {}
    size = request.page_size or _PAGE_SIZE
    query = Query.where(MODELS, order="ui.display_order", limit=size, **equals)
    return await documents.page(query, request.page_token, count=request.count_total)


async def add_missing(unit: Unit, models: Sequence[ModelConfig]) -> None:
    """Stages those of the models that are not in the catalog; an operator may have changed the others."""
    for model in models:
        if await unit.find(MODELS, model.id) is None:
            missing = ModelConfig()
            missing.CopyFrom(model)
            missing.last_updated.CopyFrom(timestamp(unit.now))
            unit.create(MODELS, missing)
