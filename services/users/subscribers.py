"""What the users service does at the events of others."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import GenerationFinished, ModelDeprecated, ThreadCreated

from libs.common.documents.unit import Unit
from libs.common.events.inbox import Handler
from services.users.default_model import leave_model
from services.users.usage import count_generation, count_thread


def subscriptions() -> dict[str, Handler]:
    """The handler of each event that the service consumes."""

    async def model_deprecated(unit: Unit, event: Message, progress: str) -> str | None:
        return await leave_model(unit, cast(ModelDeprecated, event), progress)

    async def thread_created(unit: Unit, event: Message, progress: str) -> str | None:
        await count_thread(unit, cast(ThreadCreated, event))
        return None

    async def generation_finished(unit: Unit, event: Message, progress: str) -> str | None:
        await count_generation(unit, cast(GenerationFinished, event))
        return None

    return {
        "model.deprecated": model_deprecated,
        "thread.created": thread_created,
        "generation.finished": generation_finished,
    }
