from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from llmchat.catalog.v1 import model_config_pb2 as _model_config_pb2
from llmchat.catalog.v1 import provider_health_pb2 as _provider_health_pb2
from llmchat.operations.v1 import operation_pb2 as _operation_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "provider", "count_total")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    COUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    provider: _model_config_pb2.ModelProvider
    count_total: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., provider: _Optional[_Union[_model_config_pb2.ModelProvider, str]] = ..., count_total: _Optional[bool] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token", "total_size")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_config_pb2.ModelConfig]
    next_page_token: str
    total_size: int
    def __init__(self, models: _Optional[_Iterable[_Union[_model_config_pb2.ModelConfig, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeprecateModelRequest(_message.Message):
    __slots__ = ("id", "replacement_id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    replacement_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., replacement_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class WatchModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelChange(_message.Message):
    __slots__ = ("model", "removed_id", "synced")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REMOVED_ID_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    model: _model_config_pb2.ModelConfig
    removed_id: str
    synced: ModelsSynced
    def __init__(self, model: _Optional[_Union[_model_config_pb2.ModelConfig, _Mapping]] = ..., removed_id: _Optional[str] = ..., synced: _Optional[_Union[ModelsSynced, _Mapping]] = ...) -> None: ...

class ModelsSynced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpsertModelRequest(_message.Message):
    __slots__ = ("model", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: _model_config_pb2.ModelConfig
    request_id: str
    def __init__(self, model: _Optional[_Union[_model_config_pb2.ModelConfig, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveModelRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetProviderHealthRequest(_message.Message):
    __slots__ = ("provider", "now")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    provider: _model_config_pb2.ModelProvider
    now: bool
    def __init__(self, provider: _Optional[_Union[_model_config_pb2.ModelProvider, str]] = ..., now: _Optional[bool] = ...) -> None: ...

class GetProviderHealthResponse(_message.Message):
    __slots__ = ("providers",)
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[_provider_health_pb2.ProviderHealth]
    def __init__(self, providers: _Optional[_Iterable[_Union[_provider_health_pb2.ProviderHealth, _Mapping]]] = ...) -> None: ...
