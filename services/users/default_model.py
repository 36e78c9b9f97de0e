"""The model that a person's conversations begin with: one that is in use, whatever is deprecated."""

from __future__ import annotations

from llmchat.events.v1.events_pb2 import ModelDeprecated
from llmchat.users.v1.user_pb2 import UserSettings

from libs.common.clock import timestamp
from libs.common.documents.portions import read_portion
from libs.common.documents.tombstones import bury, living_successor
from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from services.users.collections import USERS

# Begins the progress that names the last account that was looked at.
_AFTER = "after "


async def keep_in_use(unit: Unit, settings: UserSettings) -> bool:
    """Moves a deprecated default model to what stands in its place; whether that changed anything.

    Where nothing does, the person's own is unset: the system's default holds.
    """
    wanted = settings.default_model
    if not wanted:
        return False
    successor = await living_successor(unit, "model", wanted)
    if successor:
        settings.default_model = successor
    else:
        settings.ClearField("default_model")
    return successor != wanted


async def leave_model(unit: Unit, event: ModelDeprecated, progress: str) -> str | None:
    """Stages one step of moving people from a deprecated model to another; where to go on, None at the end.

    The first step buries the model, so that nobody prefers it any more; the others go through the accounts by id.
    """
    if not progress:
        await bury(unit, "model", event.model_id, successor_id=event.replacement_id)
        return _AFTER
    portion = await read_portion(unit, Query.by_id(USERS, after=progress.removeprefix(_AFTER)))
    for record in portion.documents:
        if record.settings.default_model == event.model_id and await keep_in_use(unit, record.settings):
            record.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(USERS, record)
    return None if portion.is_last else _AFTER + portion.documents[-1].id
