import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from llmchat.options.v1 import secret_pb2 as _secret_pb2
from llmchat.threads.v1 import thread_pb2 as _thread_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConversationFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONVERSATION_FORMAT_UNSPECIFIED: _ClassVar[ConversationFormat]
    CONVERSATION_FORMAT_CHATGPT: _ClassVar[ConversationFormat]
    CONVERSATION_FORMAT_CLAUDE: _ClassVar[ConversationFormat]
CONVERSATION_FORMAT_UNSPECIFIED: ConversationFormat
CONVERSATION_FORMAT_CHATGPT: ConversationFormat
CONVERSATION_FORMAT_CLAUDE: ConversationFormat

class CreateThreadRequest(_message.Message):
    __slots__ = ("title", "settings", "lifetime_seconds", "request_id")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    title: str
    settings: _thread_pb2.ThreadSettings
    lifetime_seconds: int
    request_id: str
    def __init__(self, title: _Optional[str] = ..., settings: _Optional[_Union[_thread_pb2.ThreadSettings, _Mapping]] = ..., lifetime_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetThreadRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListThreadsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "is_archived", "count_total", "tag")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    IS_ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    COUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    is_archived: bool
    count_total: bool
    tag: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., is_archived: _Optional[bool] = ..., count_total: _Optional[bool] = ..., tag: _Optional[str] = ...) -> None: ...

class ListThreadsResponse(_message.Message):
    __slots__ = ("threads", "next_page_token", "total_size")
    THREADS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    threads: _containers.RepeatedCompositeFieldContainer[_thread_pb2.Thread]
    next_page_token: str
    total_size: int
    def __init__(self, threads: _Optional[_Iterable[_Union[_thread_pb2.Thread, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class UpdateThreadRequest(_message.Message):
    __slots__ = ("thread", "update_mask", "request_id")
    THREAD_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    thread: _thread_pb2.Thread
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    def __init__(self, thread: _Optional[_Union[_thread_pb2.Thread, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteThreadRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetGeneratedTitleRequest(_message.Message):
    __slots__ = ("id", "title")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class WatchThreadsRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class ThreadChange(_message.Message):
    __slots__ = ("thread", "deleted_id", "synced")
    THREAD_FIELD_NUMBER: _ClassVar[int]
    DELETED_ID_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    thread: _thread_pb2.Thread
    deleted_id: str
    synced: Synced
    def __init__(self, thread: _Optional[_Union[_thread_pb2.Thread, _Mapping]] = ..., deleted_id: _Optional[str] = ..., synced: _Optional[_Union[Synced, _Mapping]] = ...) -> None: ...

class Synced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SearchThreadsRequest(_message.Message):
    __slots__ = ("query", "page_size", "page_token")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    page_token: str
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchThreadsResponse(_message.Message):
    __slots__ = ("threads", "next_page_token")
    THREADS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    threads: _containers.RepeatedCompositeFieldContainer[_thread_pb2.Thread]
    next_page_token: str
    def __init__(self, threads: _Optional[_Iterable[_Union[_thread_pb2.Thread, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ShareThreadRequest(_message.Message):
    __slots__ = ("id", "is_public", "allowed_users", "new_token", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    IS_PUBLIC_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_USERS_FIELD_NUMBER: _ClassVar[int]
    NEW_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    is_public: bool
    allowed_users: _containers.RepeatedScalarFieldContainer[str]
    new_token: bool
    request_id: str
    def __init__(self, id: _Optional[str] = ..., is_public: _Optional[bool] = ..., allowed_users: _Optional[_Iterable[str]] = ..., new_token: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnshareThreadRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetSharedThreadRequest(_message.Message):
    __slots__ = ("share_token",)
    SHARE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    share_token: str
    def __init__(self, share_token: _Optional[str] = ...) -> None: ...

class SharedThread(_message.Message):
    __slots__ = ("thread_id", "title", "created_at", "updated_at", "active_models", "total_messages", "shared_at")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_MODELS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SHARED_AT_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    title: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    active_models: _containers.RepeatedScalarFieldContainer[str]
    total_messages: int
    shared_at: _timestamp_pb2.Timestamp
    def __init__(self, thread_id: _Optional[str] = ..., title: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., active_models: _Optional[_Iterable[str]] = ..., total_messages: _Optional[int] = ..., shared_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PruneThreadsRequest(_message.Message):
    __slots__ = ("keep", "dry_run", "request_id")
    KEEP_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    keep: int
    dry_run: bool
    request_id: str
    def __init__(self, keep: _Optional[int] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class PruneThreadsResponse(_message.Message):
    __slots__ = ("thread_ids", "has_more")
    THREAD_IDS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    thread_ids: _containers.RepeatedScalarFieldContainer[str]
    has_more: bool
    def __init__(self, thread_ids: _Optional[_Iterable[str]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class ImportThreadsRequest(_message.Message):
    __slots__ = ("begin", "data")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    begin: BeginImport
    data: bytes
    def __init__(self, begin: _Optional[_Union[BeginImport, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class BeginImport(_message.Message):
    __slots__ = ("format", "model_id")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    format: ConversationFormat
    model_id: str
    def __init__(self, format: _Optional[_Union[ConversationFormat, str]] = ..., model_id: _Optional[str] = ...) -> None: ...

class ImportThreadsResponse(_message.Message):
    __slots__ = ("threads",)
    THREADS_FIELD_NUMBER: _ClassVar[int]
    threads: _containers.RepeatedCompositeFieldContainer[ImportedThread]
    def __init__(self, threads: _Optional[_Iterable[_Union[ImportedThread, _Mapping]]] = ...) -> None: ...

class ImportedThread(_message.Message):
    __slots__ = ("source_id", "thread_id", "messages", "existed", "error")
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    source_id: str
    thread_id: str
    messages: int
    existed: bool
    error: str
    def __init__(self, source_id: _Optional[str] = ..., thread_id: _Optional[str] = ..., messages: _Optional[int] = ..., existed: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...

class ExportThreadsRequest(_message.Message):
    __slots__ = ("format", "thread_ids")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    THREAD_IDS_FIELD_NUMBER: _ClassVar[int]
    format: ConversationFormat
    thread_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, format: _Optional[_Union[ConversationFormat, str]] = ..., thread_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ExportThreadsResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...
