"""The catalog's models: by id, in display order, and those that a new catalog begins with."""

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
from libs.common.events.changes import EVERYTHING, Changes
from libs.common.store.port import Query
from services.catalog.collections import MODELS

_PAGE_SIZE = 50


async def read_model(documents: Documents | Unit, id: str) -> ModelConfig:
    """The model as it is stored.

    Raises:
        NotFound: there is none.
    """
    model = await documents.find(MODELS, id)
    if model is None:
        raise NotFound("model", id)
    return model


async def list_models(documents: Documents, request: ListModelsRequest) -> Page[ModelConfig]:
    """A page of the models in display order, of one provider where the request names one; none that is removed.

    Raises:
        Invalid: the page token is not one that this list gave this caller.
    """
    equals: dict[str, Any] = {"provider": request.provider} if request.provider else {}
    size = request.page_size or _PAGE_SIZE
    query = Query.where(MODELS, order="ui.display_order", limit=size, removed_at=0, **equals)
    return await documents.page(query, request.page_token, count=request.count_total)


async def all_models(documents: Documents) -> list[ModelConfig]:
    """All of them, by id: one that moves in the display order meanwhile is neither missed nor doubled."""
    models: list[ModelConfig] = []
    query = Query.by_id(MODELS)
    while page := await documents.query(query):
        models += page
        if len(page) < query.limit:
            break
        query = Query.by_id(MODELS, after=page[-1].id)
    return models


def is_in_use(model: ModelConfig) -> bool:
    """Whether it takes new work, as far as the catalog is concerned."""
    return not (model.HasField("deprecated_at") or model.HasField("removed_at"))


def save(unit: Unit, changes: Changes, model: ModelConfig) -> ModelConfig:
    """Stages `model` as it is now and has everybody look who watches. The one way to write a model."""
    model.last_updated.CopyFrom(timestamp(unit.now))
    changes.tell(unit, EVERYTHING, model.id)
    return unit.put(MODELS, model)


async def add_missing(unit: Unit, changes: Changes, models: Sequence[ModelConfig]) -> None:
    """Stages those of the models that are not in the catalog; an administrator may have changed the others."""
    for model in models:
        if await unit.find(MODELS, model.id) is None:
            missing = ModelConfig()
            missing.CopyFrom(model)
            save(unit, changes, missing)
