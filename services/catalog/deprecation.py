"""The end of a model's use: its history stays, its users move to another one."""

from __future__ import annotations

from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.events.v1.events_pb2 import ModelDeprecated

from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.documents.tombstones import bury, is_alive
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, Precondition
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.catalog.model import is_in_use, read_model, save

_CHANGED = ("deprecated_at", "replacement_id", "status.is_available")


async def deprecate_model(unit: Unit, changes: Changes, outbox: Outbox, request: DeprecateModelRequest) -> ModelConfig:
    """Stages that the model takes no new work, and the event by which the others learn of it.

    One that is deprecated already stays as it is.

    Raises:
        NotFound: there is no such model, or no such replacement.
        Invalid: it is to replace itself.
        Precondition: the replacement is not in use itself (reason MODEL_UNAVAILABLE).
    """
    model = await read_model(unit, request.id)
    if model.HasField("deprecated_at"):
        return model
    if request.replacement_id:
        await _require_in_use(unit, request)
    model.deprecated_at.CopyFrom(timestamp(unit.now))
    model.replacement_id = request.replacement_id
    model.status.is_available = False
    await bury(unit, "model", model.id, successor_id=model.replacement_id)
    event = ModelDeprecated(model_id=model.id, replacement_id=model.replacement_id)
    outbox.emit(unit, "model.deprecated", model.id, event)
    audit(unit, outbox, "model.deprecate", "model", model.id, changed_fields=_CHANGED)
    return save(unit, changes, model)


async def _require_in_use(unit: Unit, request: DeprecateModelRequest) -> None:
    if request.replacement_id == request.id:
        raise Invalid.field("replacement_id", "is the model itself")
    replacement = await read_model(unit, request.replacement_id)
    # Looked at once more by the commit: of two that are to replace each other, one stays in use.
    if not is_in_use(replacement) or not await is_alive(unit, "model", replacement.id):
        raise Precondition(f"the model {replacement.id} is not in use itself", reason="MODEL_UNAVAILABLE")
