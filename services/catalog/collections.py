"""What the catalog service stores."""

from __future__ import annotations

from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.store.port import CollectionSpec, Index

MODELS = CollectionSpec(
    "models_config", ModelConfig, indexes=(Index((), "ui.display_order"), Index(("provider",), "ui.display_order"))
)

COLLECTIONS = (MODELS,)
