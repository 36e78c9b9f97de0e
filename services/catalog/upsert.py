"""A model as an administrator puts it: whole, but for what the catalog keeps itself."""

from __future__ import annotations

import re

from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.catalog.v1.catalog_service_pb2 import UpsertModelRequest
from llmchat.catalog.v1.model_config_pb2 import HEALTH_STATUS_UNKNOWN, ModelAvailability, ModelConfig

from libs.common.audit import audit
from libs.common.documents.masks import apply_mask
from libs.common.documents.unit import Unit, require_etag
from libs.common.errors import Invalid
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.catalog.collections import MODELS
from services.catalog.model import save
from services.catalog.rules import require_consistent

_KEPT = (
    "status.last_health_check",
    "status.health_status",
    "status.response_time_ms",
    "status.error_rate",
    "last_updated",
    "deprecated_at",
    "removed_at",
    "replacement_id",
    "etag",
    "schema_version",
)
_NEW_ID = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


async def upsert_model(unit: Unit, changes: Changes, outbox: Outbox, request: UpsertModelRequest) -> ModelConfig:
    """Stages the model, new or in place of the one with its id. One that is deprecated or removed stays so.

    Raises:
        Invalid: its fields do not go together, or it is new and its id is not of lower-case letters, digits, dots and
            hyphens.
        Stale: its etag is not the current one's.
    """
    model = ModelConfig()
    model.CopyFrom(request.model)
    stored = await unit.find(MODELS, model.id)
    if stored is None:
        if not _NEW_ID.fullmatch(model.id):
            text = "is not made of lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
            raise Invalid.field("model.id", text)
        stored = ModelConfig(status=ModelAvailability(health_status=HEALTH_STATUS_UNKNOWN))
    require_etag(stored, model.etag)
    require_consistent(model)
    apply_mask(FieldMask(paths=_KEPT), stored, model, _KEPT)
    if model.HasField("deprecated_at"):
        model.status.is_available = False
    names = [field.name for field in ModelConfig.DESCRIPTOR.fields]
    changed = [name for name in names if getattr(model, name) != getattr(stored, name)]
    audit(unit, outbox, "model.update", "model", model.id, changed_fields=changed)
    return save(unit, changes, model)
