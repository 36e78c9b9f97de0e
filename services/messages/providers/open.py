"""The only place that chooses a provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_ECHO, MODEL_PROVIDER_OPENAI, ModelProvider
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI

from services.messages.provider_keys import ProviderKeys
from services.messages.providers.echo import EchoProvider
from services.messages.providers.keyed import KeyedProvider
from services.messages.providers.openai import OpenAIProvider
from services.messages.providers.port import Provider
from services.messages.settings import MessagesSettings

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

Providers = Mapping[ModelProvider, Provider]


def open_providers(settings: MessagesSettings, users: UsersServiceAsyncStub) -> Providers:
    """All that there are; those that take keys ask `users` for people's own."""
    openai = OpenAIProvider(settings.openai_base_url, settings.provider_timeout)
    return {
        MODEL_PROVIDER_ECHO: EchoProvider(settings.echo_tokens_per_second),
        MODEL_PROVIDER_OPENAI: KeyedProvider(openai, ProviderKeys(users, KEY_PROVIDER_OPENAI, settings.openai_api_key)),
    }
