import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RemovedTotals(_message.Message):
    __slots__ = ("id", "users", "threads", "messages", "tokens", "operations", "updated_at", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    users: int
    threads: int
    messages: int
    tokens: int
    operations: int
    updated_at: _timestamp_pb2.Timestamp
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., users: _Optional[int] = ..., threads: _Optional[int] = ..., messages: _Optional[int] = ..., tokens: _Optional[int] = ..., operations: _Optional[int] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class StatsShard(_message.Message):
    __slots__ = ("id", "users_created", "users_removed", "threads_created", "threads_removed", "messages_created", "messages_removed", "tokens_processed", "tokens_removed", "cost_nanos", "models", "updated_at", "schema_version")
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ModelCounts
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ModelCounts, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    USERS_CREATED_FIELD_NUMBER: _ClassVar[int]
    USERS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    THREADS_CREATED_FIELD_NUMBER: _ClassVar[int]
    THREADS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_CREATED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_REMOVED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    users_created: int
    users_removed: int
    threads_created: int
    threads_removed: int
    messages_created: int
    messages_removed: int
    tokens_processed: int
    tokens_removed: int
    cost_nanos: int
    models: _containers.MessageMap[str, ModelCounts]
    updated_at: _timestamp_pb2.Timestamp
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., users_created: _Optional[int] = ..., users_removed: _Optional[int] = ..., threads_created: _Optional[int] = ..., threads_removed: _Optional[int] = ..., messages_created: _Optional[int] = ..., messages_removed: _Optional[int] = ..., tokens_processed: _Optional[int] = ..., tokens_removed: _Optional[int] = ..., cost_nanos: _Optional[int] = ..., models: _Optional[_Mapping[str, ModelCounts]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ModelCounts(_message.Message):
    __slots__ = ("calls", "failures", "tokens", "milliseconds", "cost_nanos")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    calls: int
    failures: int
    tokens: int
    milliseconds: int
    cost_nanos: int
    def __init__(self, calls: _Optional[int] = ..., failures: _Optional[int] = ..., tokens: _Optional[int] = ..., milliseconds: _Optional[int] = ..., cost_nanos: _Optional[int] = ...) -> None: ...

class DayCounts(_message.Message):
    __slots__ = ("id", "new_users", "new_threads", "messages_generated", "tokens_processed", "api_calls", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    NEW_USERS_FIELD_NUMBER: _ClassVar[int]
    NEW_THREADS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_GENERATED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    API_CALLS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    new_users: int
    new_threads: int
    messages_generated: int
    tokens_processed: int
    api_calls: int
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., new_users: _Optional[int] = ..., new_threads: _Optional[int] = ..., messages_generated: _Optional[int] = ..., tokens_processed: _Optional[int] = ..., api_calls: _Optional[int] = ..., schema_version: _Optional[int] = ...) -> None: ...
