import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.store.v1 import tokens_pb2 as _tokens_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Chunk(_message.Message):
    __slots__ = ("id", "first_seq", "tokens", "is_fence", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    IS_FENCE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    first_seq: int
    tokens: _tokens_pb2.Tokens
    is_fence: bool
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., first_seq: _Optional[int] = ..., tokens: _Optional[_Union[_tokens_pb2.Tokens, _Mapping]] = ..., is_fence: _Optional[bool] = ..., schema_version: _Optional[int] = ...) -> None: ...

class Conversation(_message.Message):
    __slots__ = ("id", "user_id", "last_position", "turns", "deleted", "updated_at", "branches", "heads", "removals", "schema_version")
    class TurnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Turns
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Turns, _Mapping]] = ...) -> None: ...
    class BranchesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Branches
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Branches, _Mapping]] = ...) -> None: ...
    class HeadsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_POSITION_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    HEADS_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    last_position: int
    turns: _containers.MessageMap[str, Turns]
    deleted: bool
    updated_at: _timestamp_pb2.Timestamp
    branches: _containers.MessageMap[str, Branches]
    heads: _containers.ScalarMap[str, str]
    removals: _containers.RepeatedCompositeFieldContainer[Removal]
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., last_position: _Optional[int] = ..., turns: _Optional[_Mapping[str, Turns]] = ..., deleted: _Optional[bool] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., branches: _Optional[_Mapping[str, Branches]] = ..., heads: _Optional[_Mapping[str, str]] = ..., removals: _Optional[_Iterable[_Union[Removal, _Mapping]]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class Branches(_message.Message):
    __slots__ = ("active", "branches")
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    active: int
    branches: _containers.RepeatedCompositeFieldContainer[Branch]
    def __init__(self, active: _Optional[int] = ..., branches: _Optional[_Iterable[_Union[Branch, _Mapping]]] = ...) -> None: ...

class Branch(_message.Message):
    __slots__ = ("number", "from_branch", "from_position", "parent_id", "first_id", "last_id", "sibling_id")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FROM_BRANCH_FIELD_NUMBER: _ClassVar[int]
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_ID_FIELD_NUMBER: _ClassVar[int]
    SIBLING_ID_FIELD_NUMBER: _ClassVar[int]
    number: int
    from_branch: int
    from_position: int
    parent_id: str
    first_id: str
    last_id: str
    sibling_id: str
    def __init__(self, number: _Optional[int] = ..., from_branch: _Optional[int] = ..., from_position: _Optional[int] = ..., parent_id: _Optional[str] = ..., first_id: _Optional[str] = ..., last_id: _Optional[str] = ..., sibling_id: _Optional[str] = ...) -> None: ...

class Removal(_message.Message):
    __slots__ = ("message_id", "model_id", "branches", "from_position", "until_position")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    UNTIL_POSITION_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    model_id: str
    branches: _containers.RepeatedScalarFieldContainer[int]
    from_position: int
    until_position: int
    def __init__(self, message_id: _Optional[str] = ..., model_id: _Optional[str] = ..., branches: _Optional[_Iterable[int]] = ..., from_position: _Optional[int] = ..., until_position: _Optional[int] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("id", "thread_id", "model_id", "user_id", "text", "tokens", "branch", "until_position", "created_at", "wanted_branch", "wanted_position", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    UNTIL_POSITION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    WANTED_BRANCH_FIELD_NUMBER: _ClassVar[int]
    WANTED_POSITION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    thread_id: str
    model_id: str
    user_id: str
    text: str
    tokens: int
    branch: int
    until_position: int
    created_at: _timestamp_pb2.Timestamp
    wanted_branch: int
    wanted_position: int
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., thread_id: _Optional[str] = ..., model_id: _Optional[str] = ..., user_id: _Optional[str] = ..., text: _Optional[str] = ..., tokens: _Optional[int] = ..., branch: _Optional[int] = ..., until_position: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wanted_branch: _Optional[int] = ..., wanted_position: _Optional[int] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ExternalAnswer(_message.Message):
    __slots__ = ("id", "model_id", "user_id", "claimant", "created_at", "schema_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMANT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    user_id: str
    claimant: str
    created_at: _timestamp_pb2.Timestamp
    schema_version: int
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., user_id: _Optional[str] = ..., claimant: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema_version: _Optional[int] = ...) -> None: ...

class Turns(_message.Message):
    __slots__ = ("running", "waiting")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    running: str
    waiting: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, running: _Optional[str] = ..., waiting: _Optional[_Iterable[str]] = ...) -> None: ...

class SendReceipt(_message.Message):
    __slots__ = ("user_message_id", "message_id")
    USER_MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    user_message_id: str
    message_id: str
    def __init__(self, user_message_id: _Optional[str] = ..., message_id: _Optional[str] = ...) -> None: ...

class LiveTokens(_message.Message):
    __slots__ = ("first_seq", "tokens")
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    first_seq: int
    tokens: _tokens_pb2.Tokens
    def __init__(self, first_seq: _Optional[int] = ..., tokens: _Optional[_Union[_tokens_pb2.Tokens, _Mapping]] = ...) -> None: ...
