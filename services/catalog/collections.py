"""What the catalog service stores."""

from __future__ import annotations

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth

from libs.common.store.port import CollectionSpec, Index

# Lists are of those whose `removed_at` is 0.
MODELS = CollectionSpec(
    "models_config",
    ModelConfig,
    indexes=(Index(("removed_at",), "ui.display_order"), Index(("removed_at", "provider"), "ui.display_order")),
)
PROVIDER_HEALTH = CollectionSpec("provider_health", ProviderHealth, journaled=False)

COLLECTIONS = (MODELS, PROVIDER_HEALTH)
