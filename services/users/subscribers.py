"""What the users service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import ModelDeprecated

from libs.common.documents.unit import Unit
from libs.common.events.gathering import Gathered
from libs.common.events.inbox import Handler
from services.users.default_model import leave_model
from services.users.usage import count_generation, count_imported, count_thread


def subscriptions() -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def model_deprecated(unit: Unit, event: Message, progress: str) -> str | None:
        return await leave_model(unit, cast(ModelDeprecated, event), progress)

    return {"model.deprecated": model_deprecated}


def counted() -> dict[str, Gathered]:
    """What is done at events that are only counted."""
    return {"thread.created": count_thread, "generation.counted": count_generation, "messages.imported": count_imported}
