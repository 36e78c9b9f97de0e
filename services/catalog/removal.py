"""The last of a deprecated model: it leaves the lists, and what was said with it keeps its name."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2 import RemoveModelRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.catalog.model import read_model, save


async def remove_model(unit: Unit, changes: Changes, outbox: Outbox, request: RemoveModelRequest) -> ModelConfig:
    """Stages that the model is in no list any more. One that is removed already stays as it is.

    Raises:
        NotFound: there is no such model.
        Precondition: it is not deprecated (reason MODEL_IN_USE).
    """
    model = await read_model(unit, request.id)
    if model.HasField("removed_at"):
        return model
    if not model.HasField("deprecated_at"):
        raise Precondition(f"the model {model.id} is in use: deprecate it first", reason="MODEL_IN_USE")
    model.removed_at.CopyFrom(timestamp(unit.now))
    audit(unit, outbox, "model.remove", "model", model.id, changed_fields=("removed_at",))
    return save(unit, changes, model)
