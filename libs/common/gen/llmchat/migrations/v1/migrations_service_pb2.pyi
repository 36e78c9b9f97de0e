from buf.validate import validate_pb2 as _validate_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanMigrationRequest(_message.Message):
    __slots__ = ("service",)
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service: str
    def __init__(self, service: _Optional[str] = ...) -> None: ...

class PlanMigrationResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[PlannedCollection]
    def __init__(self, collections: _Optional[_Iterable[_Union[PlannedCollection, _Mapping]]] = ...) -> None: ...

class PlannedCollection(_message.Message):
    __slots__ = ("collection", "documents")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    documents: int
    def __init__(self, collection: _Optional[str] = ..., documents: _Optional[int] = ...) -> None: ...

class MigratePageRequest(_message.Message):
    __slots__ = ("service", "collection", "after_id")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    service: str
    collection: str
    after_id: str
    def __init__(self, service: _Optional[str] = ..., collection: _Optional[str] = ..., after_id: _Optional[str] = ...) -> None: ...

class MigratePageResponse(_message.Message):
    __slots__ = ("read", "rewritten", "next_after_id")
    READ_FIELD_NUMBER: _ClassVar[int]
    REWRITTEN_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    read: int
    rewritten: int
    next_after_id: str
    def __init__(self, read: _Optional[int] = ..., rewritten: _Optional[int] = ..., next_after_id: _Optional[str] = ...) -> None: ...
