import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.operations.v1 import audit_event_pb2 as _audit_event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ThreadDeleted(_message.Message):
    __slots__ = ("thread_id", "user_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class GenerationFinished(_message.Message):
    __slots__ = ("thread_id", "user_id", "model_id", "message_id", "messages", "tokens", "temperature", "finished_at", "complete", "failed", "milliseconds", "cost_nanos")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    message_id: str
    messages: int
    tokens: int
    temperature: float
    finished_at: _timestamp_pb2.Timestamp
    complete: bool
    failed: bool
    milliseconds: int
    cost_nanos: int
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ..., message_id: _Optional[str] = ..., messages: _Optional[int] = ..., tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete: _Optional[bool] = ..., failed: _Optional[bool] = ..., milliseconds: _Optional[int] = ..., cost_nanos: _Optional[int] = ...) -> None: ...

class UserCreated(_message.Message):
    __slots__ = ("user_id", "created_at")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, user_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ThreadCreated(_message.Message):
    __slots__ = ("thread_id", "user_id", "created_at")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RemovalWanted(_message.Message):
    __slots__ = ("thread_id", "message_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    message_id: str
    def __init__(self, thread_id: _Optional[str] = ..., message_id: _Optional[str] = ...) -> None: ...

class MessagesRemoved(_message.Message):
    __slots__ = ("thread_id", "user_id", "models")
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: RemovedMessages
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[RemovedMessages, _Mapping]] = ...) -> None: ...
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    models: _containers.MessageMap[str, RemovedMessages]
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., models: _Optional[_Mapping[str, RemovedMessages]] = ...) -> None: ...

class RemovedMessages(_message.Message):
    __slots__ = ("messages", "tokens", "cost_nanos")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_NANOS_FIELD_NUMBER: _ClassVar[int]
    messages: int
    tokens: int
    cost_nanos: int
    def __init__(self, messages: _Optional[int] = ..., tokens: _Optional[int] = ..., cost_nanos: _Optional[int] = ...) -> None: ...

class MessagesImported(_message.Message):
    __slots__ = ("thread_id", "user_id", "messages", "last_message_at")
    class MessagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    LAST_MESSAGE_AT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    messages: _containers.ScalarMap[str, int]
    last_message_at: _timestamp_pb2.Timestamp
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., messages: _Optional[_Mapping[str, int]] = ..., last_message_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SummaryWanted(_message.Message):
    __slots__ = ("thread_id", "user_id", "model_id", "until_position")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_POSITION_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    until_position: int
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ..., until_position: _Optional[int] = ...) -> None: ...

class ThreadSummarized(_message.Message):
    __slots__ = ("thread_id", "user_id", "model_id", "summary", "summary_tokens", "summarized_at")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SUMMARIZED_AT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    summary: str
    summary_tokens: int
    summarized_at: _timestamp_pb2.Timestamp
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ..., summary: _Optional[str] = ..., summary_tokens: _Optional[int] = ..., summarized_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CallsCounted(_message.Message):
    __slots__ = ("date", "calls")
    DATE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    date: str
    calls: int
    def __init__(self, date: _Optional[str] = ..., calls: _Optional[int] = ...) -> None: ...

class TitleWanted(_message.Message):
    __slots__ = ("thread_id", "user_id", "model_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ...) -> None: ...

class UserDeleted(_message.Message):
    __slots__ = ("user_id", "operation_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    operation_id: str
    def __init__(self, user_id: _Optional[str] = ..., operation_id: _Optional[str] = ...) -> None: ...

class UserDeletionAdvanced(_message.Message):
    __slots__ = ("operation_id", "done", "waiting_for")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    done: _containers.RepeatedScalarFieldContainer[str]
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, operation_id: _Optional[str] = ..., done: _Optional[_Iterable[str]] = ..., waiting_for: _Optional[_Iterable[str]] = ...) -> None: ...

class UserDataRemoved(_message.Message):
    __slots__ = ("service", "threads", "messages", "tokens", "operations")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    service: str
    threads: int
    messages: int
    tokens: int
    operations: int
    def __init__(self, service: _Optional[str] = ..., threads: _Optional[int] = ..., messages: _Optional[int] = ..., tokens: _Optional[int] = ..., operations: _Optional[int] = ...) -> None: ...

class ModelDeprecated(_message.Message):
    __slots__ = ("model_id", "replacement_id")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    replacement_id: str
    def __init__(self, model_id: _Optional[str] = ..., replacement_id: _Optional[str] = ...) -> None: ...

class AuditRecorded(_message.Message):
    __slots__ = ("audit_event",)
    AUDIT_EVENT_FIELD_NUMBER: _ClassVar[int]
    audit_event: _audit_event_pb2.AuditEvent
    def __init__(self, audit_event: _Optional[_Union[_audit_event_pb2.AuditEvent, _Mapping]] = ...) -> None: ...
