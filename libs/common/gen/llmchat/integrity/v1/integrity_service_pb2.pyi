from buf.validate import validate_pb2 as _validate_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScanReferencesRequest(_message.Message):
    __slots__ = ("service", "collection", "after_id", "ids")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    service: str
    collection: str
    after_id: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, service: _Optional[str] = ..., collection: _Optional[str] = ..., after_id: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ScanReferencesResponse(_message.Message):
    __slots__ = ("collection", "documents", "references", "next_collection", "next_after_id")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    collection: str
    documents: int
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    next_collection: str
    next_after_id: str
    def __init__(self, collection: _Optional[str] = ..., documents: _Optional[int] = ..., references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., next_collection: _Optional[str] = ..., next_after_id: _Optional[str] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("id", "kind", "target_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TARGET_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    target_id: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., target_id: _Optional[str] = ...) -> None: ...

class FindMissingRequest(_message.Message):
    __slots__ = ("service", "kind", "ids")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    service: str
    kind: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, service: _Optional[str] = ..., kind: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FindMissingResponse(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...
