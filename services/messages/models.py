"""The catalog as this service sees it: models by id, and the provider that serves each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.catalog.v1.model_config_pb2 import ModelConfig, ModelProvider

from libs.common.errors import DomainError, Precondition
from libs.common.events.bus import Bus
from libs.common.events.changes import EVERYTHING, change_channel
from libs.common.events.outbox import event_channel
from libs.common.events.subscription import subscribed
from services.messages.providers.open import Providers, missing_extra
from services.messages.providers.port import Provider

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub

_FRESH_SECONDS = 30


class Models:
    """Asks the catalog and remembers its answers: for 30 seconds, or until a model changes."""

    def __init__(self, catalog: CatalogServiceAsyncStub, providers: Providers) -> None:
        self._catalog = catalog
        self._providers = providers
        self._known: dict[str, tuple[float, ModelConfig]] = {}
        self._forgotten = 0

    async def run(self, bus: Bus) -> None:
        """Forgets everything whenever a model has, or may have, changed; until cancelled."""
        # A hint may be lost with the caller who changed it; the event is not, and told until it is heard.
        channels = (change_channel("models", EVERYTHING), event_channel("model.deprecated"))
        async with subscribed(bus, *channels) as changes:
            async for _ in changes:
                self._known.clear()
                self._forgotten += 1

    async def get(self, model_id: str) -> ModelConfig:
        """The model.

        Raises:
            NotFound: the catalog has no such model.
        """
        read_at, model = self._known.get(model_id, (0.0, None))
        if model is None or time.monotonic() - read_at > _FRESH_SECONDS:
            forgotten = self._forgotten
            model = await self._catalog.GetModel(GetModelRequest(id=model_id))
            # What changed meanwhile may not be in it.
            if forgotten == self._forgotten:
                self._known[model_id] = (time.monotonic(), model)
        return model

    def maker(self, provider: ModelProvider) -> Provider | None:
        """Who makes the models of `provider`, whether they are available or not; None where nobody here does."""
        return self._providers.get(provider)

    async def find(self, model_id: str) -> ModelConfig | None:
        """The model, as it was told last where the catalog does not answer; None where nothing is known of it."""
        _, told = self._known.get(model_id, (0.0, None))
        try:
            return await self.get(model_id)
        except DomainError:
            return told

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
