from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class UnendedOperation(_message.Message):
    __slots__ = ("id", "operation_id", "user_id", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    operation_id: str
    user_id: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., operation_id: _Optional[str] = ..., user_id: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
