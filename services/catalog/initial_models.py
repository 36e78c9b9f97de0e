"""The models that a new catalog begins with, as complete documents.

Costs are the makers' list prices in US dollars per 1,000 tokens. No model has vision: messages carry text alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from llmchat.catalog.v1.model_config_pb2 import (
    API_KEY_TYPE_CLAUDE,
    API_KEY_TYPE_GOOGLE,
    API_KEY_TYPE_OPENAI,
    HEALTH_STATUS_UNKNOWN,
    MODEL_CATEGORY_CLOUD,
    MODEL_CATEGORY_EXPERIMENTAL,
    MODEL_CATEGORY_LOCAL,
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_ECHO,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    TEMPERATURE_TYPE_ENUM,
    TEMPERATURE_TYPE_RANGE,
    ApiKeyType,
    ModelAvailability,
    ModelCapabilities,
    ModelConfig,
    ModelFeatures,
    ModelProvider,
    ModelSpecs,
    ModelUi,
    TemperatureOptions,
)

# What their makers call them, where that is another name than ours.
_VERSIONS = MappingProxyType(
    {
        "claude-4-opus": "claude-opus-4-20250514",
        "claude-4-sonnet": "claude-sonnet-4-20250514",
        "claude-3.7-sonnet": "claude-3-7-sonnet-20250219",
        "claude-3.5-sonnet": "claude-3-5-sonnet-20241022",
        "claude-3.5-haiku": "claude-3-5-haiku-20241022",
        "gemini-2.5-flash-light": "gemini-2.5-flash-lite",
    }
)


@dataclass(frozen=True, slots=True)
class _Maker:
    provider: ModelProvider
    api_key_type: ApiKeyType
    color: str


def initial_models() -> list[ModelConfig]:
    """All of them, in display order."""
    anthropic = _Maker(MODEL_PROVIDER_ANTHROPIC, API_KEY_TYPE_CLAUDE, "#FF6B35")
    google = _Maker(MODEL_PROVIDER_GOOGLE, API_KEY_TYPE_GOOGLE, "#4285F4")
    openai = _Maker(MODEL_PROVIDER_OPENAI, API_KEY_TYPE_OPENAI, "#10A37F")
    # maker, display order, id, name; tokens of context and of output; dollars per 1,000 tokens in and out
    return [
        _cloud(anthropic, 1, "claude-4-opus", "Claude 4 Opus", 200_000, 8_192, 0.015, 0.075),
        _cloud(anthropic, 2, "claude-4-sonnet", "Claude 4 Sonnet", 200_000, 64_000, 0.003, 0.015),
        _cloud(anthropic, 3, "claude-3.7-sonnet", "Claude 3.7 Sonnet", 200_000, 64_000, 0.003, 0.015),
        _cloud(anthropic, 4, "claude-3.5-sonnet", "Claude 3.5 Sonnet", 200_000, 8_192, 0.003, 0.015),
        _cloud(anthropic, 5, "claude-3.5-haiku", "Claude 3.5 Haiku", 200_000, 8_192, 0.0008, 0.004),
        _cloud(google, 6, "gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536, 0.00125, 0.01),
        _cloud(google, 7, "gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_536, 0.0003, 0.0025),
        _cloud(google, 8, "gemini-2.5-flash-light", "Gemini 2.5 Flash Light", 1_048_576, 65_536, 0.0001, 0.0004),
        _cloud(openai, 9, "gpt-5", "GPT-5", 400_000, 128_000, 0.00125, 0.01, _fixed_temperature()),
        _cloud(openai, 10, "gpt-5-mini", "GPT-5 Mini", 400_000, 128_000, 0.00025, 0.002, _fixed_temperature()),
        _cloud(openai, 11, "gpt-5-nano", "GPT-5 Nano", 400_000, 128_000, 0.00005, 0.0004, _fixed_temperature()),
        _cloud(openai, 12, "gpt-4.1", "GPT-4.1", 1_047_576, 32_768, 0.002, 0.008),
        _cloud(openai, 13, "gpt-4.1-mini", "GPT-4.1 Mini", 1_047_576, 32_768, 0.0004, 0.0016),
        _gemma(),
        _echo(),
    ]


def _cloud(
    maker: _Maker,
    order: int,
    id: str,
    name: str,
    context: int,
    output: int,
    input_cost: float,
    output_cost: float,
    ui: ModelUi | None = None,
) -> ModelConfig:
    shown = ModelUi(display_order=order, color=maker.color, category=MODEL_CATEGORY_CLOUD)
    shown.MergeFrom(ui or _any_temperature())
    return ModelConfig(
        id=id,
        name=name,
        provider=maker.provider,
        api_key_type=maker.api_key_type,
        requires_api_key=True,
        capabilities=ModelCapabilities(
            text=True, reasoning=True, coding=True, analysis=True, vision=False, function_calling=True
        ),
        specs=ModelSpecs(
            context_length=context,
            max_output_tokens=output,
            input_token_cost=input_cost,
            output_token_cost=output_cost,
            currency="USD",
        ),
        ui=shown,
        status=ModelAvailability(is_available=True, health_status=HEALTH_STATUS_UNKNOWN),
        features=ModelFeatures(
            streaming_supported=True,
            summary_generation=True,
            title_generation=True,
            requests_per_minute=60,
            requests_per_day=1_000,
            tokens_per_minute=40_000,
        ),
        model_version=_VERSIONS.get(id, ""),
    )


def _gemma() -> ModelConfig:
    ui = ModelUi(display_order=20, color="#4285F4", category=MODEL_CATEGORY_LOCAL)
    ui.MergeFrom(_any_temperature())
    return ModelConfig(
        id="gemma2-2b-local",
        name="Gemma2 2B (Local)",
        provider=MODEL_PROVIDER_OLLAMA,
        model_version="gemma2:2b",
        capabilities=ModelCapabilities(
            text=True, reasoning=True, coding=True, analysis=False, vision=False, function_calling=False
        ),
        specs=ModelSpecs(
            context_length=8_192,
            max_output_tokens=2_048,
            model_size="2B",
            quantization="Q4_0",
            memory_requirement=3,
            disk_space=1.6,
            load_time_estimate=10,
        ),
        ui=ui,
        status=ModelAvailability(
            is_available=False, requires_loading=True, loading_supported=True, health_status=HEALTH_STATUS_UNKNOWN
        ),
        features=ModelFeatures(streaming_supported=True),
    )


def _echo() -> ModelConfig:
    ui = ModelUi(display_order=100, color="#808080", category=MODEL_CATEGORY_EXPERIMENTAL)
    ui.MergeFrom(_any_temperature())
    return ModelConfig(
        id="echo",
        name="Echo (for development: repeats what it is told)",
        provider=MODEL_PROVIDER_ECHO,
        capabilities=ModelCapabilities(text=True, vision=False, function_calling=False),
        # Room for the longest message that a conversation takes, and its repetition.
        specs=ModelSpecs(context_length=65_536, max_output_tokens=32_768),
        ui=ui,
        status=ModelAvailability(is_available=True, health_status=HEALTH_STATUS_UNKNOWN),
        features=ModelFeatures(streaming_supported=True, title_generation=True),
    )


def _any_temperature() -> ModelUi:
    options = TemperatureOptions(min=0.0, max=1.0, step=0.1, default=0.7)
    return ModelUi(temperature_type=TEMPERATURE_TYPE_RANGE, temperature_options=options)


def _fixed_temperature() -> ModelUi:
    # These models refuse every other one.
    return ModelUi(
        temperature_type=TEMPERATURE_TYPE_ENUM, temperature_options=TemperatureOptions(values=[1], default=1)
    )
