"""The only place that chooses a provider."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from llmchat.catalog.v1.model_config_pb2 import (
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_ECHO,
    MODEL_PROVIDER_EXTERNAL,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    ModelProvider,
)
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI

from libs.common.telemetry.metrics import Metrics
from services.messages.provider_keys import ProviderKeys
from services.messages.providers.echo import EchoProvider
from services.messages.providers.external import ExternalProvider
from services.messages.providers.keyed import KeyedProvider
from services.messages.providers.lazy import LazyLoader, LazyProvider
from services.messages.providers.measured import MeasuredLoader, MeasuredProvider
from services.messages.providers.port import LoadingProvider, Provider
from services.messages.providers.retrying import RetryingLoader, RetryingProvider
from services.messages.settings import MessagesSettings

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

Providers = Mapping[ModelProvider, Provider]

# The extra of this package that brings a maker's SDK, and the SDK's module.
_SDKS = MappingProxyType(
    {
        MODEL_PROVIDER_ANTHROPIC: ("anthropic", "anthropic"),
        MODEL_PROVIDER_OPENAI: ("openai", "openai"),
        MODEL_PROVIDER_GOOGLE: ("google", "google.genai"),
        MODEL_PROVIDER_OLLAMA: ("ollama", "ollama"),
    }
)


def open_providers(settings: MessagesSettings, users: UsersServiceAsyncStub, metrics: Metrics) -> Providers:
    """All that are installed; those that take keys ask `users` for people's own. An SDK is imported when it is used.

    How they do is measured in `metrics`.
    """
    anthropic = RetryingProvider(LazyProvider(partial(_anthropic, settings)), settings.provider_retries)
    openai = RetryingProvider(LazyProvider(partial(_openai, settings)), settings.provider_retries)
    google = RetryingProvider(LazyProvider(partial(_google, settings)), settings.provider_retries)
    ollama = RetryingLoader(LazyLoader(partial(_ollama, settings)), settings.provider_retries)
    keys = partial(ProviderKeys, users)
    providers: Providers = {
        MODEL_PROVIDER_ECHO: EchoProvider(settings.echo_tokens_per_second),
        MODEL_PROVIDER_ANTHROPIC: KeyedProvider(anthropic, keys(KEY_PROVIDER_CLAUDE, settings.anthropic_api_key)),
        MODEL_PROVIDER_OPENAI: KeyedProvider(openai, keys(KEY_PROVIDER_OPENAI, settings.openai_api_key)),
        MODEL_PROVIDER_GOOGLE: KeyedProvider(google, keys(KEY_PROVIDER_GOOGLE, settings.google_api_key)),
        MODEL_PROVIDER_OLLAMA: ollama,
        MODEL_PROVIDER_EXTERNAL: ExternalProvider(),
    }
    return {
        maker: _measured(maker, provider, metrics)
        for maker, provider in providers.items()
        if missing_extra(maker) is None
    }


def missing_extra(maker: ModelProvider) -> str | None:
    """The extra that has to be installed before the maker's models are served here; None where nothing is missing."""
    extra, module = _SDKS.get(maker, (None, ""))
    return extra if extra and find_spec(module) is None else None


def _measured(maker: ModelProvider, provider: Provider, metrics: Metrics) -> Provider:
    name = ModelProvider.Name(maker).removeprefix("MODEL_PROVIDER_").lower()
    if isinstance(provider, LoadingProvider):
        return MeasuredLoader(provider, name, metrics)
    return MeasuredProvider(provider, name, metrics)


def _anthropic(settings: MessagesSettings) -> Provider:
    from services.messages.providers.anthropic import AnthropicProvider

    return AnthropicProvider(settings.anthropic_base_url, settings.provider_timeout)


def _openai(settings: MessagesSettings) -> Provider:
    from services.messages.providers.openai import OpenAIProvider

    return OpenAIProvider(settings.openai_base_url, settings.provider_timeout)


def _google(settings: MessagesSettings) -> Provider:
    from services.messages.providers.google import GoogleProvider

    return GoogleProvider(settings.google_base_url, settings.provider_timeout)


def _ollama(settings: MessagesSettings) -> LoadingProvider:
    from services.messages.providers.ollama import OllamaProvider

    return OllamaProvider(settings.ollama_base_url, settings.provider_timeout)
