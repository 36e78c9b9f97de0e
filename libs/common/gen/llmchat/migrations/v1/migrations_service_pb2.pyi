from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from llmchat.store.v1 import migration_pb2 as _migration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetMigrationsRequest(_message.Message):
    __slots__ = ("service",)
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    service: str
    def __init__(self, service: _Optional[str] = ...) -> None: ...

class GetMigrationsResponse(_message.Message):
    __slots__ = ("migrations",)
    MIGRATIONS_FIELD_NUMBER: _ClassVar[int]
    migrations: _containers.RepeatedCompositeFieldContainer[MigrationStatus]
    def __init__(self, migrations: _Optional[_Iterable[_Union[MigrationStatus, _Mapping]]] = ...) -> None: ...

class MigrationStatus(_message.Message):
    __slots__ = ("migration", "is_edited", "is_unknown")
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    IS_EDITED_FIELD_NUMBER: _ClassVar[int]
    IS_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    migration: _migration_pb2.MigrationRecord
    is_edited: bool
    is_unknown: bool
    def __init__(self, migration: _Optional[_Union[_migration_pb2.MigrationRecord, _Mapping]] = ..., is_edited: _Optional[bool] = ..., is_unknown: _Optional[bool] = ...) -> None: ...

class MigrateUpRequest(_message.Message):
    __slots__ = ("service", "request_id")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    service: str
    request_id: str
    def __init__(self, service: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MigrateUpResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: _migration_pb2.MigrationRecord
    def __init__(self, migration: _Optional[_Union[_migration_pb2.MigrationRecord, _Mapping]] = ...) -> None: ...

class MigrateDownRequest(_message.Message):
    __slots__ = ("service", "to", "request_id")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    service: str
    to: int
    request_id: str
    def __init__(self, service: _Optional[str] = ..., to: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class MigrateDownResponse(_message.Message):
    __slots__ = ("migration",)
    MIGRATION_FIELD_NUMBER: _ClassVar[int]
    migration: _migration_pb2.MigrationRecord
    def __init__(self, migration: _Optional[_Union[_migration_pb2.MigrationRecord, _Mapping]] = ...) -> None: ...
