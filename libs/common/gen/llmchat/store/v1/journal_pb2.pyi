from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class JournalEntry(_message.Message):
    __slots__ = ("id", "collection", "document_id", "revision", "before", "after", "deleted", "clock", "actor", "request_id", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    collection: str
    document_id: str
    revision: int
    before: bytes
    after: bytes
    deleted: bool
    clock: int
    actor: str
    request_id: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., collection: _Optional[str] = ..., document_id: _Optional[str] = ..., revision: _Optional[int] = ..., before: _Optional[bytes] = ..., after: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., clock: _Optional[int] = ..., actor: _Optional[str] = ..., request_id: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
