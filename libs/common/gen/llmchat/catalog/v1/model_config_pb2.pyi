import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelProvider(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_PROVIDER_UNSPECIFIED: _ClassVar[ModelProvider]
    MODEL_PROVIDER_ANTHROPIC: _ClassVar[ModelProvider]
    MODEL_PROVIDER_OPENAI: _ClassVar[ModelProvider]
    MODEL_PROVIDER_GOOGLE: _ClassVar[ModelProvider]
    MODEL_PROVIDER_OLLAMA: _ClassVar[ModelProvider]
    MODEL_PROVIDER_ECHO: _ClassVar[ModelProvider]
    MODEL_PROVIDER_EXTERNAL: _ClassVar[ModelProvider]

class ApiKeyType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    API_KEY_TYPE_UNSPECIFIED: _ClassVar[ApiKeyType]
    API_KEY_TYPE_CLAUDE: _ClassVar[ApiKeyType]
    API_KEY_TYPE_OPENAI: _ClassVar[ApiKeyType]
    API_KEY_TYPE_GOOGLE: _ClassVar[ApiKeyType]

class TemperatureType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEMPERATURE_TYPE_UNSPECIFIED: _ClassVar[TemperatureType]
    TEMPERATURE_TYPE_RANGE: _ClassVar[TemperatureType]
    TEMPERATURE_TYPE_ENUM: _ClassVar[TemperatureType]

class ModelCategory(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_CATEGORY_UNSPECIFIED: _ClassVar[ModelCategory]
    MODEL_CATEGORY_CLOUD: _ClassVar[ModelCategory]
    MODEL_CATEGORY_LOCAL: _ClassVar[ModelCategory]
    MODEL_CATEGORY_EXPERIMENTAL: _ClassVar[ModelCategory]

class HealthStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTH_STATUS_UNSPECIFIED: _ClassVar[HealthStatus]
    HEALTH_STATUS_HEALTHY: _ClassVar[HealthStatus]
    HEALTH_STATUS_DEGRADED: _ClassVar[HealthStatus]
    HEALTH_STATUS_DOWN: _ClassVar[HealthStatus]
    HEALTH_STATUS_UNKNOWN: _ClassVar[HealthStatus]
MODEL_PROVIDER_UNSPECIFIED: ModelProvider
MODEL_PROVIDER_ANTHROPIC: ModelProvider
MODEL_PROVIDER_OPENAI: ModelProvider
MODEL_PROVIDER_GOOGLE: ModelProvider
MODEL_PROVIDER_OLLAMA: ModelProvider
MODEL_PROVIDER_ECHO: ModelProvider
MODEL_PROVIDER_EXTERNAL: ModelProvider
API_KEY_TYPE_UNSPECIFIED: ApiKeyType
API_KEY_TYPE_CLAUDE: ApiKeyType
API_KEY_TYPE_OPENAI: ApiKeyType
API_KEY_TYPE_GOOGLE: ApiKeyType
TEMPERATURE_TYPE_UNSPECIFIED: TemperatureType
TEMPERATURE_TYPE_RANGE: TemperatureType
TEMPERATURE_TYPE_ENUM: TemperatureType
MODEL_CATEGORY_UNSPECIFIED: ModelCategory
MODEL_CATEGORY_CLOUD: ModelCategory
MODEL_CATEGORY_LOCAL: ModelCategory
MODEL_CATEGORY_EXPERIMENTAL: ModelCategory
HEALTH_STATUS_UNSPECIFIED: HealthStatus
HEALTH_STATUS_HEALTHY: HealthStatus
HEALTH_STATUS_DEGRADED: HealthStatus
HEALTH_STATUS_DOWN: HealthStatus
HEALTH_STATUS_UNKNOWN: HealthStatus

class ModelConfig(_message.Message):
    __slots__ = ("id", "name", "provider", "api_key_type", "requires_api_key", "capabilities", "specs", "ui", "status", "features", "model_version", "last_updated", "deprecated_at", "removed_at", "replacement_id", "etag", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    API_KEY_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_API_KEY_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SPECS_FIELD_NUMBER: _ClassVar[int]
    UI_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATED_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_AT_FIELD_NUMBER: _ClassVar[int]
    REMOVED_AT_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    provider: ModelProvider
    api_key_type: ApiKeyType
    requires_api_key: bool
    capabilities: ModelCapabilities
    specs: ModelSpecs
    ui: ModelUi
    status: ModelAvailability
    features: ModelFeatures
    model_version: str
    last_updated: _timestamp_pb2.Timestamp
    deprecated_at: _timestamp_pb2.Timestamp
    removed_at: _timestamp_pb2.Timestamp
    replacement_id: str
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., provider: _Optional[_Union[ModelProvider, str]] = ..., api_key_type: _Optional[_Union[ApiKeyType, str]] = ..., requires_api_key: _Optional[bool] = ..., capabilities: _Optional[_Union[ModelCapabilities, _Mapping]] = ..., specs: _Optional[_Union[ModelSpecs, _Mapping]] = ..., ui: _Optional[_Union[ModelUi, _Mapping]] = ..., status: _Optional[_Union[ModelAvailability, _Mapping]] = ..., features: _Optional[_Union[ModelFeatures, _Mapping]] = ..., model_version: _Optional[str] = ..., last_updated: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deprecated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., removed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replacement_id: _Optional[str] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ModelCapabilities(_message.Message):
    __slots__ = ("text", "reasoning", "coding", "analysis", "vision", "function_calling")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    CODING_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    VISION_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALLING_FIELD_NUMBER: _ClassVar[int]
    text: bool
    reasoning: bool
    coding: bool
    analysis: bool
    vision: bool
    function_calling: bool
    def __init__(self, text: _Optional[bool] = ..., reasoning: _Optional[bool] = ..., coding: _Optional[bool] = ..., analysis: _Optional[bool] = ..., vision: _Optional[bool] = ..., function_calling: _Optional[bool] = ...) -> None: ...

class ModelSpecs(_message.Message):
    __slots__ = ("context_length", "max_output_tokens", "input_token_cost", "output_token_cost", "currency", "model_size", "quantization", "memory_requirement", "disk_space", "load_time_estimate")
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKEN_COST_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COST_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    MODEL_SIZE_FIELD_NUMBER: _ClassVar[int]
    QUANTIZATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_REQUIREMENT_FIELD_NUMBER: _ClassVar[int]
    DISK_SPACE_FIELD_NUMBER: _ClassVar[int]
    LOAD_TIME_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    context_length: int
    max_output_tokens: int
    input_token_cost: float
    output_token_cost: float
    currency: str
    model_size: str
    quantization: str
    memory_requirement: float
    disk_space: float
    load_time_estimate: int
    def __init__(self, context_length: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., input_token_cost: _Optional[float] = ..., output_token_cost: _Optional[float] = ..., currency: _Optional[str] = ..., model_size: _Optional[str] = ..., quantization: _Optional[str] = ..., memory_requirement: _Optional[float] = ..., disk_space: _Optional[float] = ..., load_time_estimate: _Optional[int] = ...) -> None: ...

class ModelUi(_message.Message):
    __slots__ = ("temperature_type", "temperature_options", "display_order", "color", "icon", "category")
    TEMPERATURE_TYPE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_ORDER_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    temperature_type: TemperatureType
    temperature_options: TemperatureOptions
    display_order: int
    color: str
    icon: str
    category: ModelCategory
    def __init__(self, temperature_type: _Optional[_Union[TemperatureType, str]] = ..., temperature_options: _Optional[_Union[TemperatureOptions, _Mapping]] = ..., display_order: _Optional[int] = ..., color: _Optional[str] = ..., icon: _Optional[str] = ..., category: _Optional[_Union[ModelCategory, str]] = ...) -> None: ...

class TemperatureOptions(_message.Message):
    __slots__ = ("min", "max", "step", "values", "default")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    step: float
    values: _containers.RepeatedScalarFieldContainer[float]
    default: float
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ..., step: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ..., default: _Optional[float] = ...) -> None: ...

class ModelAvailability(_message.Message):
    __slots__ = ("is_available", "requires_loading", "loading_supported", "last_health_check", "health_status", "response_time_ms", "error_rate")
    IS_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_LOADING_FIELD_NUMBER: _ClassVar[int]
    LOADING_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    LAST_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    HEALTH_STATUS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    is_available: bool
    requires_loading: bool
    loading_supported: bool
    last_health_check: _timestamp_pb2.Timestamp
    health_status: HealthStatus
    response_time_ms: float
    error_rate: float
    def __init__(self, is_available: _Optional[bool] = ..., requires_loading: _Optional[bool] = ..., loading_supported: _Optional[bool] = ..., last_health_check: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., health_status: _Optional[_Union[HealthStatus, str]] = ..., response_time_ms: _Optional[float] = ..., error_rate: _Optional[float] = ...) -> None: ...

class ModelFeatures(_message.Message):
    __slots__ = ("streaming_supported", "summary_generation", "title_generation", "batch_processing", "requests_per_minute", "requests_per_day", "tokens_per_minute")
    STREAMING_SUPPORTED_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_GENERATION_FIELD_NUMBER: _ClassVar[int]
    TITLE_GENERATION_FIELD_NUMBER: _ClassVar[int]
    BATCH_PROCESSING_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    streaming_supported: bool
    summary_generation: bool
    title_generation: bool
    batch_processing: bool
    requests_per_minute: int
    requests_per_day: int
    tokens_per_minute: int
    def __init__(self, streaming_supported: _Optional[bool] = ..., summary_generation: _Optional[bool] = ..., title_generation: _Optional[bool] = ..., batch_processing: _Optional[bool] = ..., requests_per_minute: _Optional[int] = ..., requests_per_day: _Optional[int] = ..., tokens_per_minute: _Optional[int] = ...) -> None: ...
