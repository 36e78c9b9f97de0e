from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Who(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHO_UNSPECIFIED: _ClassVar[Who]
    WHO_ANYONE: _ClassVar[Who]
    WHO_USER: _ClassVar[Who]
    WHO_OWNER: _ClassVar[Who]
    WHO_ADMIN: _ClassVar[Who]
    WHO_SERVICE: _ClassVar[Who]
WHO_UNSPECIFIED: Who
WHO_ANYONE: Who
WHO_USER: Who
WHO_OWNER: Who
WHO_ADMIN: Who
WHO_SERVICE: Who
POLICY_FIELD_NUMBER: _ClassVar[int]
policy: _descriptor.FieldDescriptor

class Policy(_message.Message):
    __slots__ = ("allow", "services", "resource", "action", "allow_deleted")
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    allow: _containers.RepeatedScalarFieldContainer[Who]
    services: _containers.RepeatedScalarFieldContainer[str]
    resource: str
    action: str
    allow_deleted: bool
    def __init__(self, allow: _Optional[_Iterable[_Union[Who, str]]] = ..., services: _Optional[_Iterable[str]] = ..., resource: _Optional[str] = ..., action: _Optional[str] = ..., allow_deleted: _Optional[bool] = ...) -> None: ...
