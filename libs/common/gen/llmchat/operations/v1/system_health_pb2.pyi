import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PartStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PART_STATUS_UNSPECIFIED: _ClassVar[PartStatus]
    PART_STATUS_HEALTHY: _ClassVar[PartStatus]
    PART_STATUS_DEGRADED: _ClassVar[PartStatus]
    PART_STATUS_DOWN: _ClassVar[PartStatus]

class OllamaStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OLLAMA_STATUS_UNSPECIFIED: _ClassVar[OllamaStatus]
    OLLAMA_STATUS_READY: _ClassVar[OllamaStatus]
    OLLAMA_STATUS_LOADING: _ClassVar[OllamaStatus]
    OLLAMA_STATUS_ERROR: _ClassVar[OllamaStatus]
    OLLAMA_STATUS_UNAVAILABLE: _ClassVar[OllamaStatus]
PART_STATUS_UNSPECIFIED: PartStatus
PART_STATUS_HEALTHY: PartStatus
PART_STATUS_DEGRADED: PartStatus
PART_STATUS_DOWN: PartStatus
OLLAMA_STATUS_UNSPECIFIED: OllamaStatus
OLLAMA_STATUS_READY: OllamaStatus
OLLAMA_STATUS_LOADING: OllamaStatus
OLLAMA_STATUS_ERROR: OllamaStatus
OLLAMA_STATUS_UNAVAILABLE: OllamaStatus

class SystemHealth(_message.Message):
    __slots__ = ("checked_at", "status", "services", "bus", "external_apis", "ollama")
    class ExternalApisEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ExternalApiHealth
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ExternalApiHealth, _Mapping]] = ...) -> None: ...
    CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    BUS_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_APIS_FIELD_NUMBER: _ClassVar[int]
    OLLAMA_FIELD_NUMBER: _ClassVar[int]
    checked_at: _timestamp_pb2.Timestamp
    status: PartStatus
    services: _containers.RepeatedCompositeFieldContainer[ServiceHealth]
    bus: BusHealth
    external_apis: _containers.MessageMap[str, ExternalApiHealth]
    ollama: OllamaHealth
    def __init__(self, checked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[PartStatus, str]] = ..., services: _Optional[_Iterable[_Union[ServiceHealth, _Mapping]]] = ..., bus: _Optional[_Union[BusHealth, _Mapping]] = ..., external_apis: _Optional[_Mapping[str, ExternalApiHealth]] = ..., ollama: _Optional[_Union[OllamaHealth, _Mapping]] = ...) -> None: ...

class ServiceHealth(_message.Message):
    __slots__ = ("service", "status", "store_latency_ms", "unsettled_events", "parked_events", "last_error")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STORE_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    UNSETTLED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    PARKED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    service: str
    status: PartStatus
    store_latency_ms: float
    unsettled_events: int
    parked_events: int
    last_error: str
    def __init__(self, service: _Optional[str] = ..., status: _Optional[_Union[PartStatus, str]] = ..., store_latency_ms: _Optional[float] = ..., unsettled_events: _Optional[int] = ..., parked_events: _Optional[int] = ..., last_error: _Optional[str] = ...) -> None: ...

class BusHealth(_message.Message):
    __slots__ = ("status", "latency_ms", "is_shared")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    IS_SHARED_FIELD_NUMBER: _ClassVar[int]
    status: PartStatus
    latency_ms: float
    is_shared: bool
    def __init__(self, status: _Optional[_Union[PartStatus, str]] = ..., latency_ms: _Optional[float] = ..., is_shared: _Optional[bool] = ...) -> None: ...

class ExternalApiHealth(_message.Message):
    __slots__ = ("is_reachable", "latency_ms", "last_check", "error_count", "last_error")
    IS_REACHABLE_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_CHECK_FIELD_NUMBER: _ClassVar[int]
    ERROR_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    is_reachable: bool
    latency_ms: float
    last_check: _timestamp_pb2.Timestamp
    error_count: int
    last_error: str
    def __init__(self, is_reachable: _Optional[bool] = ..., latency_ms: _Optional[float] = ..., last_check: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_count: _Optional[int] = ..., last_error: _Optional[str] = ...) -> None: ...

class OllamaHealth(_message.Message):
    __slots__ = ("status", "loaded_models", "memory_usage", "last_error")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    status: OllamaStatus
    loaded_models: _containers.RepeatedScalarFieldContainer[str]
    memory_usage: int
    last_error: str
    def __init__(self, status: _Optional[_Union[OllamaStatus, str]] = ..., loaded_models: _Optional[_Iterable[str]] = ..., memory_usage: _Optional[int] = ..., last_error: _Optional[str] = ...) -> None: ...
