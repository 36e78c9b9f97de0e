import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import secret_pb2 as _secret_pb2
from llmchat.options.v1 import text_pb2 as _text_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelUsageStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_USAGE_STATUS_UNSPECIFIED: _ClassVar[ModelUsageStatus]
    MODEL_USAGE_STATUS_ACTIVE: _ClassVar[ModelUsageStatus]
    MODEL_USAGE_STATUS_ARCHIVED: _ClassVar[ModelUsageStatus]
    MODEL_USAGE_STATUS_ERROR: _ClassVar[ModelUsageStatus]
MODEL_USAGE_STATUS_UNSPECIFIED: ModelUsageStatus
MODEL_USAGE_STATUS_ACTIVE: ModelUsageStatus
MODEL_USAGE_STATUS_ARCHIVED: ModelUsageStatus
MODEL_USAGE_STATUS_ERROR: ModelUsageStatus

class Thread(_message.Message):
    __slots__ = ("id", "user_id", "title", "created_at", "updated_at", "models", "total_messages", "active_models", "settings", "has_title", "sharing", "changed_at", "rank", "expires_at", "imported_from", "is_importing", "total_cost_nanos", "etag", "schema_version")
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ModelUsage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ModelUsage, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_MODELS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    HAS_TITLE_FIELD_NUMBER: _ClassVar[int]
    SHARING_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FROM_FIELD_NUMBER: _ClassVar[int]
    IS_IMPORTING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    title: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    models: _containers.MessageMap[str, ModelUsage]
    total_messages: int
    active_models: _containers.RepeatedScalarFieldContainer[str]
    settings: ThreadSettings
    has_title: bool
    sharing: ThreadSharing
    changed_at: _timestamp_pb2.Timestamp
    rank: int
    expires_at: _timestamp_pb2.Timestamp
    imported_from: str
    is_importing: bool
    total_cost_nanos: int
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., title: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., models: _Optional[_Mapping[str, ModelUsage]] = ..., total_messages: _Optional[int] = ..., active_models: _Optional[_Iterable[str]] = ..., settings: _Optional[_Union[ThreadSettings, _Mapping]] = ..., has_title: _Optional[bool] = ..., sharing: _Optional[_Union[ThreadSharing, _Mapping]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rank: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., imported_from: _Optional[str] = ..., is_importing: _Optional[bool] = ..., total_cost_nanos: _Optional[int] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ModelUsage(_message.Message):
    __slots__ = ("message_count", "last_message_at", "summary", "summary_updated_at", "summary_tokens", "last_temperature", "total_tokens_used", "status")
    MESSAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_MESSAGE_AT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LAST_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_USED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    message_count: int
    last_message_at: _timestamp_pb2.Timestamp
    summary: str
    summary_updated_at: _timestamp_pb2.Timestamp
    summary_tokens: int
    last_temperature: float
    total_tokens_used: int
    status: ModelUsageStatus
    def __init__(self, message_count: _Optional[int] = ..., last_message_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., summary: _Optional[str] = ..., summary_updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., summary_tokens: _Optional[int] = ..., last_temperature: _Optional[float] = ..., total_tokens_used: _Optional[int] = ..., status: _Optional[_Union[ModelUsageStatus, str]] = ...) -> None: ...

class ThreadSharing(_message.Message):
    __slots__ = ("is_public", "share_token", "allowed_users", "shared_at")
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    SHARE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_USERS_FIELD_NUMBER: _ClassVar[int]
    SHARED_AT_FIELD_NUMBER: _ClassVar[int]
    is_public: bool
    share_token: str
    allowed_users: _containers.RepeatedScalarFieldContainer[str]
    shared_at: _timestamp_pb2.Timestamp
    def __init__(self, is_public: _Optional[bool] = ..., share_token: _Optional[str] = ..., allowed_users: _Optional[_Iterable[str]] = ..., shared_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ThreadSettings(_message.Message):
    __slots__ = ("is_archived", "is_pinned", "tags", "color", "temperature", "system_prompt")
    IS_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    IS_PINNED_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    is_archived: bool
    is_pinned: bool
    tags: _containers.RepeatedScalarFieldContainer[str]
    color: str
    temperature: float
    system_prompt: str
    def __init__(self, is_archived: _Optional[bool] = ..., is_pinned: _Optional[bool] = ..., tags: _Optional[_Iterable[str]] = ..., color: _Optional[str] = ..., temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ...) -> None: ...
