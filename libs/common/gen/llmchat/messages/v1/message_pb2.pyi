import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import text_pb2 as _text_pb2
from llmchat.store.v1 import tokens_pb2 as _tokens_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]
    ROLE_SYSTEM: _ClassVar[Role]

class MessageStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MESSAGE_STATUS_UNSPECIFIED: _ClassVar[MessageStatus]
    MESSAGE_STATUS_PENDING: _ClassVar[MessageStatus]
    MESSAGE_STATUS_GENERATING: _ClassVar[MessageStatus]
    MESSAGE_STATUS_COMPLETE: _ClassVar[MessageStatus]
    MESSAGE_STATUS_FAILED: _ClassVar[MessageStatus]
    MESSAGE_STATUS_CANCELLED: _ClassVar[MessageStatus]
ROLE_UNSPECIFIED: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
ROLE_SYSTEM: Role
MESSAGE_STATUS_UNSPECIFIED: MessageStatus
MESSAGE_STATUS_PENDING: MessageStatus
MESSAGE_STATUS_GENERATING: MessageStatus
MESSAGE_STATUS_COMPLETE: MessageStatus
MESSAGE_STATUS_FAILED: MessageStatus
MESSAGE_STATUS_CANCELLED: MessageStatus

class Message(_message.Message):
    __slots__ = ("id", "thread_id", "model_id", "user_id", "role", "content", "tokens", "status", "is_streaming", "temperature", "system_prompt", "context_tokens", "total_tokens", "generation_started_at", "generation_completed_at", "error", "created_at", "updated_at", "position", "generation", "question_id", "estimated_completion_time", "feedback", "html", "parent_id", "branch", "version_of", "version_ids", "input_tokens", "estimated_tokens", "cost_nanos", "imported_from", "etag", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IS_STREAMING_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    QUESTION_ID_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_COMPLETION_TIME_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_OF_FIELD_NUMBER: _ClassVar[int]
    VERSION_IDS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FROM_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    thread_id: str
    model_id: str
    user_id: str
    role: Role
    content: str
    tokens: _tokens_pb2.Tokens
    status: MessageStatus
    is_streaming: bool
    temperature: float
    system_prompt: str
    context_tokens: int
    total_tokens: int
    generation_started_at: _timestamp_pb2.Timestamp
    generation_completed_at: _timestamp_pb2.Timestamp
    error: MessageError
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    position: int
    generation: str
    question_id: str
    estimated_completion_time: _timestamp_pb2.Timestamp
    feedback: Feedback
    html: str
    parent_id: str
    branch: int
    version_of: str
    version_ids: _containers.RepeatedScalarFieldContainer[str]
    input_tokens: int
    estimated_tokens: int
    cost_nanos: int
    imported_from: str
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., thread_id: _Optional[str] = ..., model_id: _Optional[str] = ..., user_id: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., content: _Optional[str] = ..., tokens: _Optional[_Union[_tokens_pb2.Tokens, _Mapping]] = ..., status: _Optional[_Union[MessageStatus, str]] = ..., is_streaming: _Optional[bool] = ..., temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ..., context_tokens: _Optional[int] = ..., total_tokens: _Optional[int] = ..., generation_started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., generation_completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[MessageError, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., position: _Optional[int] = ..., generation: _Optional[str] = ..., question_id: _Optional[str] = ..., estimated_completion_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., feedback: _Optional[_Union[Feedback, _Mapping]] = ..., html: _Optional[str] = ..., parent_id: _Optional[str] = ..., branch: _Optional[int] = ..., version_of: _Optional[str] = ..., version_ids: _Optional[_Iterable[str]] = ..., input_tokens: _Optional[int] = ..., estimated_tokens: _Optional[int] = ..., cost_nanos: _Optional[int] = ..., imported_from: _Optional[str] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class Feedback(_message.Message):
    __slots__ = ("rating", "helpful", "comments")
    RATING_FIELD_NUMBER: _ClassVar[int]
    HELPFUL_FIELD_NUMBER: _ClassVar[int]
    COMMENTS_FIELD_NUMBER: _ClassVar[int]
    rating: int
    helpful: bool
    comments: str
    def __init__(self, rating: _Optional[int] = ..., helpful: _Optional[bool] = ..., comments: _Optional[str] = ...) -> None: ...

class MessageError(_message.Message):
    __slots__ = ("code", "message", "details", "timestamp", "retry_count")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    RETRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    details: _struct_pb2.Struct
    timestamp: _timestamp_pb2.Timestamp
    retry_count: int
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_count: _Optional[int] = ...) -> None: ...
