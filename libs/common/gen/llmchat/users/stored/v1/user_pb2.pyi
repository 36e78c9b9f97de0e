import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import secret_pb2 as _secret_pb2
from llmchat.users.v1 import user_pb2 as _user_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserRecord(_message.Message):
    __slots__ = ("id", "username", "display_name", "password_hash", "created_at", "updated_at", "last_login_at", "settings", "status", "suspension_reason", "is_admin", "etag", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_LOGIN_AT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SUSPENSION_REASON_FIELD_NUMBER: _ClassVar[int]
    IS_ADMIN_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    username: str
    display_name: str
    password_hash: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    last_login_at: _timestamp_pb2.Timestamp
    settings: _user_pb2.UserSettings
    status: _user_pb2.UserStatus
    suspension_reason: str
    is_admin: bool
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., display_name: _Optional[str] = ..., password_hash: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_login_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., settings: _Optional[_Union[_user_pb2.UserSettings, _Mapping]] = ..., status: _Optional[_Union[_user_pb2.UserStatus, str]] = ..., suspension_reason: _Optional[str] = ..., is_admin: _Optional[bool] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class UsernameRecord(_message.Message):
    __slots__ = ("id", "user_id", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
