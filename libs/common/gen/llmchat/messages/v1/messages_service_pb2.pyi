import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from llmchat.catalog.v1 import model_config_pb2 as _model_config_pb2
from llmchat.messages.v1 import message_pb2 as _message_pb2
from llmchat.options.v1 import policy_pb2 as _policy_pb2
from llmchat.options.v1 import secret_pb2 as _secret_pb2
from llmchat.options.v1 import text_pb2 as _text_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BusyPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUSY_POLICY_UNSPECIFIED: _ClassVar[BusyPolicy]
    BUSY_POLICY_REJECT: _ClassVar[BusyPolicy]
    BUSY_POLICY_ENQUEUE: _ClassVar[BusyPolicy]
    BUSY_POLICY_INTERRUPT: _ClassVar[BusyPolicy]

class TextFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FORMAT_UNSPECIFIED: _ClassVar[TextFormat]
    TEXT_FORMAT_HTML: _ClassVar[TextFormat]
BUSY_POLICY_UNSPECIFIED: BusyPolicy
BUSY_POLICY_REJECT: BusyPolicy
BUSY_POLICY_ENQUEUE: BusyPolicy
BUSY_POLICY_INTERRUPT: BusyPolicy
TEXT_FORMAT_UNSPECIFIED: TextFormat
TEXT_FORMAT_HTML: TextFormat

class SendMessageRequest(_message.Message):
    __slots__ = ("thread_id", "model_id", "content", "temperature", "system_prompt", "busy_policy", "request_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    BUSY_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    model_id: str
    content: str
    temperature: float
    system_prompt: str
    busy_policy: BusyPolicy
    request_id: str
    def __init__(self, thread_id: _Optional[str] = ..., model_id: _Optional[str] = ..., content: _Optional[str] = ..., temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ..., busy_policy: _Optional[_Union[BusyPolicy, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StreamEvent(_message.Message):
    __slots__ = ("message_id", "seq", "started", "tokens", "ended")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    seq: int
    started: Started
    tokens: TokenBatch
    ended: Ended
    def __init__(self, message_id: _Optional[str] = ..., seq: _Optional[int] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., tokens: _Optional[_Union[TokenBatch, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: _message_pb2.Message
    def __init__(self, message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ...) -> None: ...

class TokenBatch(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tokens: _Optional[_Iterable[str]] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: _message_pb2.Message
    def __init__(self, message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ...) -> None: ...

class StreamTokensRequest(_message.Message):
    __slots__ = ("message_id", "after_seq")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    after_seq: int
    def __init__(self, message_id: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class CancelGenerationRequest(_message.Message):
    __slots__ = ("message_id", "request_id")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    request_id: str
    def __init__(self, message_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetMessageRequest(_message.Message):
    __slots__ = ("id", "format")
    ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    id: str
    format: TextFormat
    def __init__(self, id: _Optional[str] = ..., format: _Optional[_Union[TextFormat, str]] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ("thread_id", "model_id", "page_size", "page_token", "oldest_first", "count_total", "format", "all_branches")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ALL_BRANCHES_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    model_id: str
    page_size: int
    page_token: str
    oldest_first: bool
    count_total: bool
    format: TextFormat
    all_branches: bool
    def __init__(self, thread_id: _Optional[str] = ..., model_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., oldest_first: _Optional[bool] = ..., count_total: _Optional[bool] = ..., format: _Optional[_Union[TextFormat, str]] = ..., all_branches: _Optional[bool] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token", "total_size")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    next_page_token: str
    total_size: int
    def __init__(self, messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class SuggestTitleRequest(_message.Message):
    __slots__ = ("thread_id", "model_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    model_id: str
    def __init__(self, thread_id: _Optional[str] = ..., model_id: _Optional[str] = ...) -> None: ...

class SuggestTitleResponse(_message.Message):
    __slots__ = ("title", "tokens_used")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_USED_FIELD_NUMBER: _ClassVar[int]
    title: str
    tokens_used: int
    def __init__(self, title: _Optional[str] = ..., tokens_used: _Optional[int] = ...) -> None: ...

class EditMessageRequest(_message.Message):
    __slots__ = ("message_id", "content", "temperature", "system_prompt", "busy_policy", "request_id")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    BUSY_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    content: str
    temperature: float
    system_prompt: str
    busy_policy: BusyPolicy
    request_id: str
    def __init__(self, message_id: _Optional[str] = ..., content: _Optional[str] = ..., temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ..., busy_policy: _Optional[_Union[BusyPolicy, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RegenerateMessageRequest(_message.Message):
    __slots__ = ("message_id", "temperature", "system_prompt", "busy_policy", "request_id")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    BUSY_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    temperature: float
    system_prompt: str
    busy_policy: BusyPolicy
    request_id: str
    def __init__(self, message_id: _Optional[str] = ..., temperature: _Optional[float] = ..., system_prompt: _Optional[str] = ..., busy_policy: _Optional[_Union[BusyPolicy, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class SelectVersionRequest(_message.Message):
    __slots__ = ("message_id", "request_id")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    request_id: str
    def __init__(self, message_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetFeedbackRequest(_message.Message):
    __slots__ = ("message_id", "feedback", "request_id")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    feedback: _message_pb2.Feedback
    request_id: str
    def __init__(self, message_id: _Optional[str] = ..., feedback: _Optional[_Union[_message_pb2.Feedback, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteMessageRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListSharedMessagesRequest(_message.Message):
    __slots__ = ("share_token", "page_size", "page_token", "format", "count_total")
    SHARE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    share_token: str
    page_size: int
    page_token: str
    format: TextFormat
    count_total: bool
    def __init__(self, share_token: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., format: _Optional[_Union[TextFormat, str]] = ..., count_total: _Optional[bool] = ...) -> None: ...

class ListSharedMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token", "total_size")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    next_page_token: str
    total_size: int
    def __init__(self, messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class ClaimAnswerRequest(_message.Message):
    __slots__ = ("model_id", "message_id", "claimant")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMANT_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    message_id: str
    claimant: str
    def __init__(self, model_id: _Optional[str] = ..., message_id: _Optional[str] = ..., claimant: _Optional[str] = ...) -> None: ...

class ClaimAnswerResponse(_message.Message):
    __slots__ = ("message", "generation", "seq", "lease_expires_at", "system_prompt", "context")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    message: _message_pb2.Message
    generation: str
    seq: int
    lease_expires_at: _timestamp_pb2.Timestamp
    system_prompt: str
    context: _containers.RepeatedCompositeFieldContainer[ContextTurn]
    def __init__(self, message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ..., generation: _Optional[str] = ..., seq: _Optional[int] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., system_prompt: _Optional[str] = ..., context: _Optional[_Iterable[_Union[ContextTurn, _Mapping]]] = ...) -> None: ...

class ContextTurn(_message.Message):
    __slots__ = ("role", "text")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    role: _message_pb2.Role
    text: str
    def __init__(self, role: _Optional[_Union[_message_pb2.Role, str]] = ..., text: _Optional[str] = ...) -> None: ...

class AppendTokensRequest(_message.Message):
    __slots__ = ("open", "tokens", "end")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    open: OpenAnswer
    tokens: TokenBatch
    end: EndAnswer
    def __init__(self, open: _Optional[_Union[OpenAnswer, _Mapping]] = ..., tokens: _Optional[_Union[TokenBatch, _Mapping]] = ..., end: _Optional[_Union[EndAnswer, _Mapping]] = ...) -> None: ...

class OpenAnswer(_message.Message):
    __slots__ = ("message_id", "generation", "after_seq")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    generation: str
    after_seq: int
    def __init__(self, message_id: _Optional[str] = ..., generation: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class EndAnswer(_message.Message):
    __slots__ = ("error_code", "error_message", "input_tokens", "output_tokens")
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    error_code: str
    error_message: str
    input_tokens: int
    output_tokens: int
    def __init__(self, error_code: _Optional[str] = ..., error_message: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class AppendTokensResponse(_message.Message):
    __slots__ = ("seq", "message")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    message: _message_pb2.Message
    def __init__(self, seq: _Optional[int] = ..., message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ...) -> None: ...

class ImportMessagesRequest(_message.Message):
    __slots__ = ("thread_id", "messages", "active_import_ids", "request_id")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_IMPORT_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    messages: _containers.RepeatedCompositeFieldContainer[ImportedMessage]
    active_import_ids: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, thread_id: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[ImportedMessage, _Mapping]]] = ..., active_import_ids: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ImportedMessage(_message.Message):
    __slots__ = ("import_id", "parent_import_id", "model_id", "role", "text", "created_at", "imported_from")
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    IMPORTED_FROM_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    parent_import_id: str
    model_id: str
    role: _message_pb2.Role
    text: str
    created_at: _timestamp_pb2.Timestamp
    imported_from: str
    def __init__(self, import_id: _Optional[str] = ..., parent_import_id: _Optional[str] = ..., model_id: _Optional[str] = ..., role: _Optional[_Union[_message_pb2.Role, str]] = ..., text: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., imported_from: _Optional[str] = ...) -> None: ...

class ImportMessagesResponse(_message.Message):
    __slots__ = ("imported",)
    IMPORTED_FIELD_NUMBER: _ClassVar[int]
    imported: int
    def __init__(self, imported: _Optional[int] = ...) -> None: ...

class SummarizeRequest(_message.Message):
    __slots__ = ("thread_id", "model_id", "until_position")
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_POSITION_FIELD_NUMBER: _ClassVar[int]
    thread_id: str
    model_id: str
    until_position: int
    def __init__(self, thread_id: _Optional[str] = ..., model_id: _Optional[str] = ..., until_position: _Optional[int] = ...) -> None: ...

class SummarizeResponse(_message.Message):
    __slots__ = ("summary", "summary_tokens", "tokens_used")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_USED_FIELD_NUMBER: _ClassVar[int]
    summary: str
    summary_tokens: int
    tokens_used: int
    def __init__(self, summary: _Optional[str] = ..., summary_tokens: _Optional[int] = ..., tokens_used: _Optional[int] = ...) -> None: ...

class CheckProviderRequest(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: _model_config_pb2.ModelProvider
    def __init__(self, provider: _Optional[_Union[_model_config_pb2.ModelProvider, str]] = ...) -> None: ...

class CheckProviderResponse(_message.Message):
    __slots__ = ("is_configured", "latency_ms", "error", "models", "loaded_models", "memory_usage")
    IS_CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_FIELD_NUMBER: _ClassVar[int]
    is_configured: bool
    latency_ms: float
    error: str
    models: _containers.RepeatedScalarFieldContainer[str]
    loaded_models: _containers.RepeatedScalarFieldContainer[str]
    memory_usage: int
    def __init__(self, is_configured: _Optional[bool] = ..., latency_ms: _Optional[float] = ..., error: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., loaded_models: _Optional[_Iterable[str]] = ..., memory_usage: _Optional[int] = ...) -> None: ...

class PullModelRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class PullModelResponse(_message.Message):
    __slots__ = ("progress",)
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    progress: int
    def __init__(self, progress: _Optional[int] = ...) -> None: ...
