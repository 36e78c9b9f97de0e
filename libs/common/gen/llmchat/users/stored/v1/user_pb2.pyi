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
    __slots__ = ("id", "username", "display_name", "password_hash", "created_at", "updated_at", "last_login_at", "settings", "status", "suspension_reason", "is_admin", "api_keys", "usage", "etag", "schema_version")
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
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
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
    api_keys: ProviderKeys
    usage: _user_pb2.UserUsage
    etag: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., display_name: _Optional[str] = ..., password_hash: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_login_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., settings: _Optional[_Union[_user_pb2.UserSettings, _Mapping]] = ..., status: _Optional[_Union[_user_pb2.UserStatus, str]] = ..., suspension_reason: _Optional[str] = ..., is_admin: _Optional[bool] = ..., api_keys: _Optional[_Union[ProviderKeys, _Mapping]] = ..., usage: _Optional[_Union[_user_pb2.UserUsage, _Mapping]] = ..., etag: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...

class UsageRecord(_message.Message):
    __slots__ = ("id", "usage", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    usage: _user_pb2.UserUsage
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., usage: _Optional[_Union[_user_pb2.UserUsage, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ProviderKeys(_message.Message):
    __slots__ = ("claude", "openai", "google")
    CLAUDE_FIELD_NUMBER: _ClassVar[int]
    OPENAI_FIELD_NUMBER: _ClassVar[int]
    GOOGLE_FIELD_NUMBER: _ClassVar[int]
    claude: ProviderKey
    openai: ProviderKey
    google: ProviderKey
    def __init__(self, claude: _Optional[_Union[ProviderKey, _Mapping]] = ..., openai: _Optional[_Union[ProviderKey, _Mapping]] = ..., google: _Optional[_Union[ProviderKey, _Mapping]] = ...) -> None: ...

class ProviderKey(_message.Message):
    __slots__ = ("encrypted_key", "key_hash", "last_used", "is_valid", "set_at", "key_id")
    ENCRYPTED_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_HASH_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_FIELD_NUMBER: _ClassVar[int]
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    encrypted_key: str
    key_hash: str
    last_used: _timestamp_pb2.Timestamp
    is_valid: bool
    set_at: _timestamp_pb2.Timestamp
    key_id: str
    def __init__(self, encrypted_key: _Optional[str] = ..., key_hash: _Optional[str] = ..., last_used: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_valid: _Optional[bool] = ..., set_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., key_id: _Optional[str] = ...) -> None: ...

class UsernameRecord(_message.Message):
    __slots__ = ("id", "user_id", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., schema_version: _Optional[int] = ...) -> None: ...
