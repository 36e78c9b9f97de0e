from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from llmchat.store.v1 import outbox_pb2 as _outbox_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PullEventsRequest(_message.Message):
    __slots__ = ("owner", "consumer", "acknowledgements", "after_id")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    owner: str
    consumer: str
    acknowledgements: _containers.RepeatedCompositeFieldContainer[_outbox_pb2.Acknowledgement]
    after_id: str
    def __init__(self, owner: _Optional[str] = ..., consumer: _Optional[str] = ..., acknowledgements: _Optional[_Iterable[_Union[_outbox_pb2.Acknowledgement, _Mapping]]] = ..., after_id: _Optional[str] = ...) -> None: ...

class PullEventsResponse(_message.Message):
    __slots__ = ("events", "next_after_id")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_outbox_pb2.OutboxEvent]
    next_after_id: str
    def __init__(self, events: _Optional[_Iterable[_Union[_outbox_pb2.OutboxEvent, _Mapping]]] = ..., next_after_id: _Optional[str] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("owner", "parked_only", "page_size", "page_token", "count_total")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PARKED_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    owner: str
    parked_only: bool
    page_size: int
    page_token: str
    count_total: bool
    def __init__(self, owner: _Optional[str] = ..., parked_only: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., count_total: _Optional[bool] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "total_size")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_outbox_pb2.OutboxEvent]
    next_page_token: str
    total_size: int
    def __init__(self, events: _Optional[_Iterable[_Union[_outbox_pb2.OutboxEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class CheckServiceRequest(_message.Message):
    __slots__ = ("service",)
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service: str
    def __init__(self, service: _Optional[str] = ...) -> None: ...

class CheckServiceResponse(_message.Message):
    __slots__ = ("store_latency_ms", "unsettled_events", "parked_events")
    STORE_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    UNSETTLED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    PARKED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    store_latency_ms: float
    unsettled_events: int
    parked_events: int
    def __init__(self, store_latency_ms: _Optional[float] = ..., unsettled_events: _Optional[int] = ..., parked_events: _Optional[int] = ...) -> None: ...

class ReplayEventRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
