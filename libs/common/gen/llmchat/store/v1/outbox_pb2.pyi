import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutboxEvent(_message.Message):
    __slots__ = ("id", "type", "aggregate_id", "payload", "waiting_for", "attempts", "next_attempt_at", "created_at", "parked_at", "request_id", "is_parked", "redeliveries", "traceparent", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATE_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PARKED_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    IS_PARKED_FIELD_NUMBER: _ClassVar[int]
    REDELIVERIES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    aggregate_id: str
    payload: _any_pb2.Any
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    attempts: int
    next_attempt_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    parked_at: _timestamp_pb2.Timestamp
    request_id: str
    is_parked: bool
    redeliveries: int
    traceparent: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., aggregate_id: _Optional[str] = ..., payload: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., waiting_for: _Optional[_Iterable[str]] = ..., attempts: _Optional[int] = ..., next_attempt_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ..., is_parked: _Optional[bool] = ..., redeliveries: _Optional[int] = ..., traceparent: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class PublishedEvent(_message.Message):
    __slots__ = ("event", "acknowledge_to")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_TO_FIELD_NUMBER: _ClassVar[int]
    event: OutboxEvent
    acknowledge_to: str
    def __init__(self, event: _Optional[_Union[OutboxEvent, _Mapping]] = ..., acknowledge_to: _Optional[str] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("consumer", "event_id", "failed")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    event_id: str
    failed: bool
    def __init__(self, consumer: _Optional[str] = ..., event_id: _Optional[str] = ..., failed: _Optional[bool] = ...) -> None: ...

class InboxMark(_message.Message):
    __slots__ = ("id", "progress", "done", "updated_at", "holder", "lease_expires_at", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    progress: str
    done: bool
    updated_at: _timestamp_pb2.Timestamp
    holder: str
    lease_expires_at: _timestamp_pb2.Timestamp
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., progress: _Optional[str] = ..., done: _Optional[bool] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., holder: _Optional[str] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...
