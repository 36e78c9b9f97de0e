"""The catalog as this service sees it: models by id, and the provider that serves each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig, ModelProvider

from libs.common.errors import DomainError, Precondition
from libs.common.events.bus import GAP, Bus
from libs.common.events.changes import EVERYTHING, change_channel
from libs.common.events.outbox import event_channel
from libs.common.events.remembered import Remembered
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metrics import Metrics
from services.messages.providers.open import Providers, missing_extra
from services.messages.providers.port import Provider

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub

# Seconds: part of a model is how its maker is doing. And how many models are kept.
_FRESH = 30.0
_MOST = 1000


class Models:
    """Asks the catalog and remembers its answers: for 30 seconds, or until a model changes."""

    def __init__(self, catalog: CatalogServiceAsyncStub, providers: Providers, metrics: Metrics) -> None:
        async def ask(id: str) -> ModelConfig:
            return await catalog.GetModel(GetModelRequest(id=id))

        self._known: Remembered[ModelConfig] = Remembered(
            ask, seconds=_FRESH, most=_MOST, lookups=Lookups(metrics, "models")
        )
        self._providers = providers

    async def run(self, bus: Bus) -> None:
        """Forgets everything whenever a model has, or may have, changed; until cancelled."""
        # A hint may be lost with the caller who changed it; the event is not, and told until it is heard.
        channels = (change_channel("models", EVERYTHING), event_channel("model.deprecated"))
        # Whatever is told, of a model or of a maker's health, concerns any model.
        async with bus.subscribe(lambda _: self._known.hear(GAP), *channels):
            await asyncio.Event().wait()

    async def get(self, model_id: str) -> ModelConfig:
        """The model, as it was told last where the catalog is away.

        Raises:
            NotFound: the catalog has no such model.
            Unavailable: the catalog is away, and nothing is remembered of the model.
        """
        return await self._known.get(model_id)

    def maker(self, provider: ModelProvider) -> Provider | None:
        """Who makes the models of `provider`, whether they are available or not; None where nobody here does."""
        return self._providers.get(provider)

    async def find(self, model_id: str) -> ModelConfig | None:
        """See `get`; None where nothing is known of it."""
        try:
            return await self.get(model_id)
        except DomainError:
            return None

    def provider(self, model: ModelConfig) -> Provider:
        """Who serves the model.

        Raises:
            Precondition: the model is deprecated or not available, or nothing here serves its provider (reason
                MODEL_UNAVAILABLE, with the `replacement_id` of a model that stands in its place).
        """
        provider = self._providers.get(model.provider)
        if provider is None or not model.status.is_available or model.HasField("deprecated_at"):
            text, metadata = f"the model {model.id} is not available here", {}
            if model.replacement_id:
                text += f": {model.replacement_id} replaces it"
                metadata["replacement_id"] = model.replacement_id
            elif provider is None and (extra := missing_extra(model.provider)):
                text += f": the extra llmchat[{extra}] is not installed"
            raise Precondition(text, reason="MODEL_UNAVAILABLE", metadata=metadata)
        return provider
