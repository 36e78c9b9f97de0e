"""What must go together in a model, beyond the protos' rules of each field."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from llmchat.catalog.v1.model_config_pb2 import (
    API_KEY_TYPE_CLAUDE,
    API_KEY_TYPE_GOOGLE,
    API_KEY_TYPE_OPENAI,
    API_KEY_TYPE_UNSPECIFIED,
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    TEMPERATURE_TYPE_ENUM,
    TEMPERATURE_TYPE_RANGE,
    ModelConfig,
)

from libs.common.errors import FieldViolation, Invalid

_KEY_TYPES = MappingProxyType(
    {
        MODEL_PROVIDER_ANTHROPIC: API_KEY_TYPE_CLAUDE,
        MODEL_PROVIDER_OPENAI: API_KEY_TYPE_OPENAI,
        MODEL_PROVIDER_GOOGLE: API_KEY_TYPE_GOOGLE,
    }
)


def require_consistent(model: ModelConfig) -> None:
    """Returns where all fields go together.

    Raises:
        Invalid: with every one that does not, by its path in a request's `model`.
    """
    rules = (*_key(model), *_room(model), *_temperature(model), *_loading(model))
    violations = [FieldViolation(f"model.{path}", text) for path, text in rules]
    if violations:
        raise Invalid("; ".join(f"{one.field}: {one.description}" for one in violations), violations)


# Each gives the paths of what is wrong, and why.
_Broken = Iterator[tuple[str, str]]


def _key(model: ModelConfig) -> _Broken:
    of_provider = _KEY_TYPES.get(model.provider, API_KEY_TYPE_UNSPECIFIED)
    if model.api_key_type not in (API_KEY_TYPE_UNSPECIFIED, of_provider):
        yield "api_key_type", "is not that of the provider's keys"
    elif model.requires_api_key and not model.api_key_type:
        yield "requires_api_key", "needs an api_key_type, which this provider may have none of"


def _room(model: ModelConfig) -> _Broken:
    specs = model.specs
    if specs.HasField("max_output_tokens") and specs.max_output_tokens >= specs.context_length:
        yield "specs.max_output_tokens", "leaves no room for a question in the context"


def _temperature(model: ModelConfig) -> _Broken:
    kind, options = model.ui.temperature_type, model.ui.temperature_options
    path = "ui.temperature_options"
    if kind == TEMPERATURE_TYPE_RANGE:
        if not (options.HasField("min") and options.HasField("max")):
            yield path, "a range needs its min and max"
        elif not options.min <= options.default <= options.max:
            yield path, "min, default and max are not in this order"
    elif kind == TEMPERATURE_TYPE_ENUM and options.default not in options.values:
        yield f"{path}.default", "is not among the values"
    elif not kind and model.ui.HasField("temperature_options"):
        yield "ui.temperature_type", "is needed where there are temperature_options"


def _loading(model: ModelConfig) -> _Broken:
    for field in ("requires_loading", "loading_supported"):
        if getattr(model.status, field) and model.provider != MODEL_PROVIDER_OLLAMA:
            yield f"status.{field}", "is for models that run on this machine"
