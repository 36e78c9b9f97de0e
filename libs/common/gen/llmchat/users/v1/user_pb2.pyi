import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import text_pb2 as _text_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeyProvider(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY_PROVIDER_UNSPECIFIED: _ClassVar[KeyProvider]
    KEY_PROVIDER_CLAUDE: _ClassVar[KeyProvider]
    KEY_PROVIDER_OPENAI: _ClassVar[KeyProvider]
    KEY_PROVIDER_GOOGLE: _ClassVar[KeyProvider]

class UserRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_ROLE_UNSPECIFIED: _ClassVar[UserRole]
    USER_ROLE_USER: _ClassVar[UserRole]
    USER_ROLE_ADMIN: _ClassVar[UserRole]

class Theme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    THEME_UNSPECIFIED: _ClassVar[Theme]
    THEME_LIGHT: _ClassVar[Theme]
    THEME_DARK: _ClassVar[Theme]

class UserStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_STATUS_UNSPECIFIED: _ClassVar[UserStatus]
    USER_STATUS_ACTIVE: _ClassVar[UserStatus]
    USER_STATUS_SUSPENDED: _ClassVar[UserStatus]
    USER_STATUS_DELETED: _ClassVar[UserStatus]
KEY_PROVIDER_UNSPECIFIED: KeyProvider
KEY_PROVIDER_CLAUDE: KeyProvider
KEY_PROVIDER_OPENAI: KeyProvider
KEY_PROVIDER_GOOGLE: KeyProvider
USER_ROLE_UNSPECIFIED: UserRole
USER_ROLE_USER: UserRole
USER_ROLE_ADMIN: UserRole
THEME_UNSPECIFIED: Theme
THEME_LIGHT: Theme
THEME_DARK: Theme
USER_STATUS_UNSPECIFIED: UserStatus
USER_STATUS_ACTIVE: UserStatus
USER_STATUS_SUSPENDED: UserStatus
USER_STATUS_DELETED: UserStatus

class User(_message.Message):
    __slots__ = ("id", "username", "display_name", "created_at", "updated_at", "last_login_at", "settings", "status", "usage", "role", "suspension_reason", "provider_keys", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_LOGIN_AT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SUSPENSION_REASON_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_KEYS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    username: str
    display_name: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    last_login_at: _timestamp_pb2.Timestamp
    settings: UserSettings
    status: UserStatus
    usage: UserUsage
    role: UserRole
    suspension_reason: str
    provider_keys: _containers.RepeatedCompositeFieldContainer[ProviderKeyStatus]
    etag: str
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., display_name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_login_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., settings: _Optional[_Union[UserSettings, _Mapping]] = ..., status: _Optional[_Union[UserStatus, str]] = ..., usage: _Optional[_Union[UserUsage, _Mapping]] = ..., role: _Optional[_Union[UserRole, str]] = ..., suspension_reason: _Optional[str] = ..., provider_keys: _Optional[_Iterable[_Union[ProviderKeyStatus, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class UserSettings(_message.Message):
    __slots__ = ("default_model", "default_temperature", "system_prompt", "streaming_enabled", "theme")
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    STREAMING_ENABLED_FIELD_NUMBER: _ClassVar[int]
    THEME_FIELD_NUMBER: _ClassVar[int]
    default_model: str
    default_temperature: float
    system_prompt: str
    streaming_enabled: bool
    theme: Theme
    def __init__(self, default_model: _Optional[str] = ..., default_temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ..., streaming_enabled: _Optional[bool] = ..., theme: _Optional[_Union[Theme, str]] = ...) -> None: ...

class UserUsage(_message.Message):
    __slots__ = ("total_threads", "total_messages", "total_tokens", "last_active_at")
    TOTAL_THREADS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    total_threads: int
    total_messages: int
    total_tokens: int
    last_active_at: _timestamp_pb2.Timestamp
    def __init__(self, total_threads: _Optional[int] = ..., total_messages: _Optional[int] = ..., total_tokens: _Optional[int] = ..., last_active_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ProviderKeyStatus(_message.Message):
    __slots__ = ("provider", "set_at", "last_used_at", "is_valid")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SET_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    provider: KeyProvider
    set_at: _timestamp_pb2.Timestamp
    last_used_at: _timestamp_pb2.Timestamp
    is_valid: bool
    def __init__(self, provider: _Optional[_Union[KeyProvider, str]] = ..., set_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_valid: _Optional[bool] = ...) -> None: ...
