from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Tokens(_message.Message):
    __slots__ = ("text", "lengths")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    text: str
    lengths: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, text: _Optional[str] = ..., lengths: _Optional[_Iterable[int]] = ...) -> None: ...
