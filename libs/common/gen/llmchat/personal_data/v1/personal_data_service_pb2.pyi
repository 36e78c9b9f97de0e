from buf.validate import validate_pb2 as _validate_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReadPersonalDataRequest(_message.Message):
    __slots__ = ("service", "user_id", "page_token")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    service: str
    user_id: str
    page_token: str
    def __init__(self, service: _Optional[str] = ..., user_id: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReadPersonalDataResponse(_message.Message):
    __slots__ = ("documents", "next_page_token")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[PersonalDocument]
    next_page_token: str
    def __init__(self, documents: _Optional[_Iterable[_Union[PersonalDocument, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PersonalDocument(_message.Message):
    __slots__ = ("collection", "id", "json")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    collection: str
    id: str
    json: str
    def __init__(self, collection: _Optional[str] = ..., id: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...
