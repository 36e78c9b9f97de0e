import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MigrationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MIGRATION_STATE_UNSPECIFIED: _ClassVar[MigrationState]
    MIGRATION_STATE_PENDING: _ClassVar[MigrationState]
    MIGRATION_STATE_RUNNING: _ClassVar[MigrationState]
    MIGRATION_STATE_VALIDATING: _ClassVar[MigrationState]
    MIGRATION_STATE_APPLIED: _ClassVar[MigrationState]
    MIGRATION_STATE_ROLLING_BACK: _ClassVar[MigrationState]
    MIGRATION_STATE_ROLLED_BACK: _ClassVar[MigrationState]
    MIGRATION_STATE_FAILED: _ClassVar[MigrationState]
MIGRATION_STATE_UNSPECIFIED: MigrationState
MIGRATION_STATE_PENDING: MigrationState
MIGRATION_STATE_RUNNING: MigrationState
MIGRATION_STATE_VALIDATING: MigrationState
MIGRATION_STATE_APPLIED: MigrationState
MIGRATION_STATE_ROLLING_BACK: MigrationState
MIGRATION_STATE_ROLLED_BACK: MigrationState
MIGRATION_STATE_FAILED: MigrationState

class MigrationRecord(_message.Message):
    __slots__ = ("id", "number", "name", "description", "checksum", "state", "progress", "started_at", "completed_at", "error", "applied_by", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    APPLIED_BY_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    number: int
    name: str
    description: str
    checksum: str
    state: MigrationState
    progress: _containers.RepeatedCompositeFieldContainer[MigrationProgress]
    started_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    error: str
    applied_by: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., number: _Optional[int] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., checksum: _Optional[str] = ..., state: _Optional[_Union[MigrationState, str]] = ..., progress: _Optional[_Iterable[_Union[MigrationProgress, _Mapping]]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ..., applied_by: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class MigrationProgress(_message.Message):
    __slots__ = ("collection", "after_id", "is_passed", "documents", "read", "rewritten", "rolled_back")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    IS_PASSED_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    REWRITTEN_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    collection: str
    after_id: str
    is_passed: bool
    documents: int
    read: int
    rewritten: int
    rolled_back: int
    def __init__(self, collection: _Optional[str] = ..., after_id: _Optional[str] = ..., is_passed: _Optional[bool] = ..., documents: _Optional[int] = ..., read: _Optional[int] = ..., rewritten: _Optional[int] = ..., rolled_back: _Optional[int] = ...) -> None: ...
