import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
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
    __slots__ = ("thread_id", "user_id", "model_id", "message_id", "messages", "tokens", "temperature", "finished_at", "complete")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    message_id: str
    messages: int
    tokens: int
    temperature: float
    finished_at: _timestamp_pb2.Timestamp
    complete: bool
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ..., message_id: _Optional[str] = ..., messages: _Optional[int] = ..., tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete: _Optional[bool] = ...) -> None: ...

class TitleWanted(_message.Message):
    __slots__ = ("thread_id", "user_id", "model_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    user_id: str
    model_id: str
    def __init__(self, thread_id: _Optional[str] = ..., user_id: _Optional[str] = ..., model_id: _Optional[str] = ...) -> None: ...
