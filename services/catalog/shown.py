"""Models as they are shown: as they are stored, and how their makers are doing."""

from __future__ import annotations

from collections.abc import Mapping

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth

from libs.common.documents.documents import Documents
from libs.common.events.bus import GAP, Bus
from libs.common.events.changes import EVERYTHING, change_channel
from libs.common.events.remembered import Remembered
from libs.common.events.subscription import subscribed
from libs.common.store.port import Query
from services.catalog.collections import PROVIDER_HEALTH

_FRESH_SECONDS = 30

# By provider: the health of those that were checked.
Healths = Mapping[int, ProviderHealth]


def shown(model: ModelConfig, healths: Healths) -> ModelConfig:
    """`model` itself, with its maker's health; one that is loaded is available exactly when its maker has it.

    What is deprecated is not available, whoever has it. Of a maker that was never checked nothing is known but what is
    stored.
    """
    health = healths.get(model.provider)
    if health is None:
        return model
    status = model.status
    status.health_status = health.status
    if health.HasField("last_check"):
        status.last_health_check.CopyFrom(health.last_check)
    if health.HasField("response_time_ms"):
        status.response_time_ms = health.response_time_ms
    if health.HasField("error_rate"):
        status.error_rate = health.error_rate
    if status.requires_loading:
        status.is_available = not model.HasField("deprecated_at") and _is_there(model, health)
    return model


def _is_there(model: ModelConfig, health: ProviderHealth) -> bool:
    name = model.model_version or model.id
    # A name without a tag is that of the tag `latest`, which the maker adds.
    return name in health.models or f"{name}:latest" in health.models


async def read_healths(documents: Documents) -> Healths:
    """The health of all makers, as it is stored now."""
    return {health.provider: health for health in await documents.query(Query.by_id(PROVIDER_HEALTH))}


class RememberedHealths:
    """The health of all makers, remembered for 30 seconds, or until it changes."""

    def __init__(self, documents: Documents) -> None:
        async def read(_: str) -> Healths:
            return await read_healths(documents)

        self._remembered: Remembered[Healths] = Remembered(read, seconds=_FRESH_SECONDS, most=1)

    async def run(self, bus: Bus) -> None:
        """Forgets whenever something has, or may have, changed; until cancelled."""
        async with subscribed(bus, change_channel("models", EVERYTHING)) as changes:
            async for _ in changes:
                self.forget()

    def forget(self) -> None:
        """Has the next look go to the store."""
        self._remembered.hear(GAP)

    async def all(self) -> Healths:
        """See `read_healths`."""
        return await self._remembered.get("the makers of models")
