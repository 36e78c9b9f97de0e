"""Models as they are shown: as they are stored, and how their makers are doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth

from libs.common.caching.port import Cache
from libs.common.documents.documents import Documents
from libs.common.events.bus import GAP, Bus
from libs.common.events.changes import EVERYTHING, change_channel
from libs.common.events.remembered import Remembered
from libs.common.store.port import Query
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metrics import Metrics
from services.catalog.collections import PROVIDER_HEALTH

_FRESH_SECONDS = 30

# Where it is told that models, or their makers' health, have changed; and the scope of what is remembered of them.
MODELS_CHANGE = change_channel("models", EVERYTHING)

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
    """The health of all makers, remembered for 30 seconds, or until it changes; with a cache of whole answers, read for
    each of those that is not in there.
    """

    def __init__(self, documents: Documents, cache: Cache | None, metrics: Metrics) -> None:
        """Args:
        documents: where it is kept.
        cache: of answers with models, which are forgotten when the health is.
        metrics: counts what is remembered.
        """

        async def read(_: str) -> Healths:
            return await read_healths(documents)

        self._remembered: Remembered[Healths] = Remembered(
            read, seconds=_FRESH_SECONDS, most=1, lookups=Lookups(metrics, "provider_health")
        )
        self._documents = documents
        self._cache = cache

    async def run(self, bus: Bus) -> None:
        """Forgets whenever something has, or may have, changed; until cancelled."""
        async with bus.subscribe(lambda _: self.forget(), MODELS_CHANGE):
            await asyncio.Event().wait()

    def forget(self) -> None:
        """Has the next look go to the store."""
        self._remembered.hear(GAP)
        if self._cache is not None:
            self._cache.forget(MODELS_CHANGE)

    async def all(self) -> Healths:
        """See `read_healths`."""
        if self._cache is not None:
            return await read_healths(self._documents)
        return await self._remembered.get("the makers of models")
