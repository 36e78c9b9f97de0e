"""Models as they are shown: as they are stored, and how their makers are doing."""

from __future__ import annotations

import time
from collections.abc import Mapping

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth

from libs.common.documents.documents import Documents
from libs.common.events.bus import Bus
from libs.common.events.changes import EVERYTHING, change_channel
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
        self._documents = documents
        self._known: tuple[float, Healths] | None = None
        self._forgotten = 0

    async def run(self, bus: Bus) -> None:
        """Forgets whenever something has, or may have, changed; until cancelled."""
        async with subscribed(bus, change_channel("models", EVERYTHING)) as changes:
            async for _ in changes:
                self.forget()

    def forget(self) -> None:
        """Has the next look go to the store."""
        self._known = None
        self._forgotten += 1

    async def all(self) -> Healths:
        """See `read_healths`."""
        if self._known is not None and time.monotonic() - self._known[0] < _FRESH_SECONDS:
            return self._known[1]
        forgotten = self._forgotten
        healths = await read_healths(self._documents)
        # What changed meanwhile may not be in it.
        if forgotten == self._forgotten:
            self._known = (time.monotonic(), healths)
        return healths
