import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SystemStats(_message.Message):
    __slots__ = ("total_users", "total_threads", "total_messages", "total_tokens_processed", "total_cost_nanos", "daily_stats", "model_usage", "updated_at")
    class ModelUsageEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ModelStats
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ModelStats, _Mapping]] = ...) -> None: ...
    TOTAL_USERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_THREADS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    DAILY_STATS_FIELD_NUMBER: _ClassVar[int]
    MODEL_USAGE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    total_users: int
    total_threads: int
    total_messages: int
    total_tokens_processed: int
    total_cost_nanos: int
    daily_stats: _containers.RepeatedCompositeFieldContainer[DailyStats]
    model_usage: _containers.MessageMap[str, ModelStats]
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, total_users: _Optional[int] = ..., total_threads: _Optional[int] = ..., total_messages: _Optional[int] = ..., total_tokens_processed: _Optional[int] = ..., total_cost_nanos: _Optional[int] = ..., daily_stats: _Optional[_Iterable[_Union[DailyStats, _Mapping]]] = ..., model_usage: _Optional[_Mapping[str, ModelStats]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DailyStats(_message.Message):
    __slots__ = ("date", "new_users", "new_threads", "messages_generated", "tokens_processed", "api_calls")
    DATE_FIELD_NUMBER: _ClassVar[int]
    NEW_USERS_FIELD_NUMBER: _ClassVar[int]
    NEW_THREADS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_GENERATED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    API_CALLS_FIELD_NUMBER: _ClassVar[int]
    date: str
    new_users: int
    new_threads: int
    messages_generated: int
    tokens_processed: int
    api_calls: int
    def __init__(self, date: _Optional[str] = ..., new_users: _Optional[int] = ..., new_threads: _Optional[int] = ..., messages_generated: _Optional[int] = ..., tokens_processed: _Optional[int] = ..., api_calls: _Optional[int] = ...) -> None: ...

class ModelStats(_message.Message):
    __slots__ = ("total_calls", "total_tokens", "avg_response_time", "error_rate", "cost_nanos")
    TOTAL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AVG_RESPONSE_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    total_calls: int
    total_tokens: int
    avg_response_time: float
    error_rate: float
    cost_nanos: int
    def __init__(self, total_calls: _Optional[int] = ..., total_tokens: _Optional[int] = ..., avg_response_time: _Optional[float] = ..., error_rate: _Optional[float] = ..., cost_nanos: _Optional[int] = ...) -> None: ...
