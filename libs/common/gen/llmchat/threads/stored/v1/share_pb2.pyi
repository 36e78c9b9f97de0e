from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Share(_message.Message):
    __slots__ = ("id", "thread_id", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    thread_id: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., thread_id: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
