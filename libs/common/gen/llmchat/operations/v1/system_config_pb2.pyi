import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import text_pb2 as _text_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SystemConfig(_message.Message):
    __slots__ = ("id", "limits", "features", "defaults", "created_at", "updated_at", "etag", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    limits: SystemLimits
    features: SystemFeatures
    defaults: SystemDefaults
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., limits: _Optional[_Union[SystemLimits, _Mapping]] = ..., features: _Optional[_Union[SystemFeatures, _Mapping]] = ..., defaults: _Optional[_Union[SystemDefaults, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class SystemLimits(_message.Message):
    __slots__ = ("max_threads_per_user", "max_messages_per_thread", "max_tokens_per_message", "max_open_streams", "requests_per_minute", "requests_per_hour")
    MAX_THREADS_PER_USER_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGES_PER_THREAD_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_PER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_OPEN_STREAMS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    max_threads_per_user: int
    max_messages_per_thread: int
    max_tokens_per_message: int
    max_open_streams: int
    requests_per_minute: int
    requests_per_hour: int
    def __init__(self, max_threads_per_user: _Optional[int] = ..., max_messages_per_thread: _Optional[int] = ..., max_tokens_per_message: _Optional[int] = ..., max_open_streams: _Optional[int] = ..., requests_per_minute: _Optional[int] = ..., requests_per_hour: _Optional[int] = ...) -> None: ...

class SystemFeatures(_message.Message):
    __slots__ = ("user_registration", "model_loading", "streaming", "summarization")
    USER_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_LOADING_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    SUMMARIZATION_FIELD_NUMBER: _ClassVar[int]
    user_registration: bool
    model_loading: bool
    streaming: bool
    summarization: bool
    def __init__(self, user_registration: _Optional[bool] = ..., model_loading: _Optional[bool] = ..., streaming: _Optional[bool] = ..., summarization: _Optional[bool] = ...) -> None: ...

class SystemDefaults(_message.Message):
    __slots__ = ("temperature", "model", "system_prompt")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    model: str
    system_prompt: str
    def __init__(self, temperature: _Optional[float] = ..., model: _Optional[str] = ..., system_prompt: _Optional[str] = ...) -> None: ...
