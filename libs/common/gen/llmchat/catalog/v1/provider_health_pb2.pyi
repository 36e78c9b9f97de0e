import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.catalog.v1 import model_config_pb2 as _model_config_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProviderHealth(_message.Message):
    __slots__ = ("id", "provider", "status", "last_check", "latency_ms", "response_time_ms", "error_rate", "error_count", "last_error", "models", "loaded_models", "memory_usage", "recent", "etag", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LAST_CHECK_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    provider: _model_config_pb2.ModelProvider
    status: _model_config_pb2.HealthStatus
    last_check: _timestamp_pb2.Timestamp
    latency_ms: float
    response_time_ms: float
    error_rate: float
    error_count: int
    last_error: str
    models: _containers.RepeatedScalarFieldContainer[str]
    loaded_models: _containers.RepeatedScalarFieldContainer[str]
    memory_usage: int
    recent: _containers.RepeatedScalarFieldContainer[float]
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., provider: _Optional[_Union[_model_config_pb2.ModelProvider, str]] = ..., status: _Optional[_Union[_model_config_pb2.HealthStatus, str]] = ..., last_check: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., latency_ms: _Optional[float] = ..., response_time_ms: _Optional[float] = ..., error_rate: _Optional[float] = ..., error_count: _Optional[int] = ..., last_error: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., loaded_models: _Optional[_Iterable[str]] = ..., memory_usage: _Optional[int] = ..., recent: _Optional[_Iterable[float]] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
