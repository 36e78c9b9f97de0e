"""The only place that chooses a provider."""

from __future__ import annotations

from collections.abc import Mapping

from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_ECHO, MODEL_PROVIDER_OPENAI, ModelProvider

from services.messages.providers.echo import EchoProvider
from services.messages.providers.openai import OpenAIProvider
from services.messages.providers.port import Provider
from services.messages.settings import MessagesSettings

Providers = Mapping[ModelProvider, Provider]


def open_providers(settings: MessagesSettings) -> Providers:
    """Those that the settings make usable: echo always, OpenAI with a key."""
    providers: dict[ModelProvider, Provider] = {MODEL_PROVIDER_ECHO: EchoProvider(settings.echo_tokens_per_second)}
    if settings.openai_api_key is not None:
        key = settings.openai_api_key.get_secret_value()
        providers[MODEL_PROVIDER_OPENAI] = OpenAIProvider(key, settings.openai_base_url, settings.openai_timeout)
    return providers
