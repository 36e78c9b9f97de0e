"""Messages as JSON: what stored documents look like, and that nothing is lost on the way there and back."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import RetryInfo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_GENERATING, ROLE_ASSISTANT, Message
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.store.v1.tokens_pb2 import Tokens
from llmchat.threads.v1.thread_pb2 import MODEL_USAGE_STATUS_ACTIVE, ModelUsage, Thread, ThreadSettings
from llmchat.users.stored.v1.user_pb2 import UserRecord

from libs.common.clock import timestamp
from libs.common.store.codec import decode, encode


def test_a_thread_as_a_document() -> None:
    thread = Thread(
        id="thread_1",
        user_id="user_1",
        title="Straße nach 東京",
        created_at=timestamp(1_700_000_000_123),
        models={"gpt-5": ModelUsage(message_count=2, last_temperature=0.0, status=MODEL_USAGE_STATUS_ACTIVE)},
        total_messages=2**53 + 1,
        active_models=["gpt-5"],
        settings=ThreadSettings(tags=["work"]),
        schema_version=1,
    )
    assert encode(thread) == {
        "id": "thread_1",
        "userId": "user_1",
        "title": "Straße nach 東京",
        "createdAt": 1_700_000_000_123,
        "models": {
            "gpt-5": {
                "messageCount": 2,
                "summary": "",
                "lastTemperature": 0.0,
                "totalTokensUsed": 0,
                "status": "active",
            }
        },
        "totalMessages": 2**53 + 1,
        "activeModels": ["gpt-5"],
        "settings": {"isArchived": False, "isPinned": False, "tags": ["work"], "color": "", "systemPrompt": ""},
        "hasTitle": False,
        "rank": 0,
        "importedFrom": "",
        "totalCostNanos": 0,
        "isImporting": False,
        "etag": "",
        "schemaVersion": 1,
    }


def test_an_answer_keeps_its_tokens_as_an_array() -> None:
    answer = Message(
        role=ROLE_ASSISTANT,
        status=MESSAGE_STATUS_GENERATING,
        tokens=Tokens(text="Grüße 👋🏽!", lengths=[5, 0, 1, 1, 1, 1]),
    )
    document = encode(answer)
    assert document["tokens"] == ["Grüße", "", " ", "👋", "🏽", "!"]
    assert (document["role"], document["status"]) == ("assistant", "generating")
    assert "content" not in document
    assert decode(Message, document) == answer


def test_free_form_parameters_are_plain_json() -> None:
    operation = Operation()
    operation.parameters.update({"threads": [1, 2.5, None, True, "x", {"deep": []}], "empty": {}})
    document = encode(operation)
    assert document["parameters"] == {"threads": [1, 2.5, None, True, "x", {"deep": []}], "empty": {}}
    assert decode(Operation, document) == operation


def test_bytes_and_any_are_base64() -> None:
    event = OutboxEvent(payload=AnyMessage(type_url="type.googleapis.com/x.Y", value=b"\x00\xff"))
    assert encode(event)["payload"] == {"typeUrl": "type.googleapis.com/x.Y", "value": "AP8="}
    assert decode(OutboxEvent, encode(event)) == event
    entry = JournalEntry(before=b"\x01", clock=2**64 - 1)
    assert encode(entry)["before"] == "AQ=="
    assert decode(JournalEntry, encode(entry)) == entry


@pytest.mark.parametrize("ms", [0, 1, -1, 90_061_001, -1_500])
def test_a_duration_is_milliseconds(ms: int) -> None:
    duration = Duration()
    duration.FromMilliseconds(ms)
    retry = RetryInfo(retry_delay=duration)
    assert encode(retry) == {"retryDelay": ms}
    assert decode(RetryInfo, {"retryDelay": ms}) == retry


def test_keys_of_another_schema_and_nulls_count_as_absent() -> None:
    assert decode(Thread, {"id": "t", "inventedLater": {"x": 1}, "title": None}) == Thread(id="t")


def test_an_enum_value_of_a_newer_schema_keeps_its_number() -> None:
    message = Message.FromString(Message(status=MESSAGE_STATUS_GENERATING).SerializeToString()[:-1] + b"\x63")
    assert encode(message)["status"] == 99
    assert decode(Message, {"status": 99}) == message


def test_whole_numbers_may_come_as_floats() -> None:
    assert decode(Thread, {"totalMessages": 3.0}) == Thread(total_messages=3)


@pytest.mark.parametrize(
    ("message_type", "document", "text"),
    [
        (Thread, {"title": 5}, r"Thread\.title: expected a string, not int"),
        (Thread, {"totalMessages": "5"}, r"Thread\.total_messages: expected a whole number, not str"),
        (Thread, {"totalMessages": 2**63}, r"Thread\.total_messages: out of range"),
        (Thread, {"totalMessages": True}, "expected a whole number, not bool"),
        (Thread, {"createdAt": "2024-01-01"}, r"Thread\.created_at: expected a whole number"),
        (Thread, {"createdAt": 10**20}, r"Thread\.created_at: out of range"),
        (Thread, {"models": []}, r"Thread\.models: expected an object"),
        (Thread, {"settings": {"tags": "x"}}, r"Thread\.settings: ThreadSettings\.tags: expected an array"),
        (Thread, {"hasTitle": 1}, "expected true or false"),
        (Message, {"status": "sleeping"}, r"Message\.status: no value of MessageStatus"),
        (Message, {"temperature": "warm"}, "expected a number"),
        (Message, {"tokens": ["a", 1]}, r"Message\.tokens: expected a string"),
        (Message, {"content": "\ud800"}, r"Message\.content"),
        (JournalEntry, {"before": "no base64!"}, r"JournalEntry\.before"),
        (Operation, {"parameters": {"x": object()}}, r"Operation\.parameters"),
    ],
)
def test_a_wrong_value_names_its_field(message_type: type[ProtoMessage], document: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        decode(message_type, document)


@pytest.mark.parametrize(
    "message",
    [
        Message(temperature=float("nan")),
        Message(temperature=float("inf")),
        Message(tokens=Tokens(text="abc", lengths=[1])),
    ],
)
def test_what_json_cannot_hold_is_refused(message: ProtoMessage) -> None:
    with pytest.raises(ValueError, match=r"JSON|sum"):
        encode(message)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MILLISECONDS = st.integers(-62_135_596_800_000, 253_402_300_799_999)
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


def struct_of(fields: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct


def tokens_of(pieces: list[str]) -> Tokens:
    return Tokens(text="".join(pieces), lengths=[len(piece) for piece in pieces])


def values_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Any value that one occurrence of the field may have."""
    if field.message_type is not None:
        special: dict[str, st.SearchStrategy[Any]] = {
            "google.protobuf.Timestamp": MILLISECONDS.map(timestamp),
            "google.protobuf.Struct": st.dictionaries(TEXT, PLAIN, max_size=3).map(struct_of),
            "llmchat.store.v1.Tokens": st.lists(TEXT, max_size=4).map(tokens_of),
        }
        name = field.message_type.full_name
        return special[name] if name in special else messages(GetMessageClass(field.message_type))
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=12)
    return NUMBERS.get(field.cpp_type, TEXT)


def fields_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Any value of the whole field: a map's or a list's included."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
        return st.dictionaries(values_of(keys), values_of(values), max_size=3)
    return st.lists(values_of(field), max_size=3) if field.is_repeated else values_of(field)


def messages(message_type: type[ProtoMessage]) -> st.SearchStrategy[ProtoMessage]:
    """Any message of a type, with any of its fields set."""
    descriptor = cast(Descriptor, message_type.DESCRIPTOR)
    optional = {field.name: fields_of(field) for field in descriptor.fields}
    return st.fixed_dictionaries({}, optional=optional).map(lambda values: message_type(**values))


@pytest.mark.parametrize(
    "message_type", [Thread, Message, Operation, ModelConfig, UserRecord, JournalEntry, OutboxEvent]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_message_comes_back_as_it_was(message_type: type[ProtoMessage], data: st.DataObject) -> None:
    message = data.draw(messages(message_type))
    document = json.loads(json.dumps(encode(message)))
    assert decode(message_type, document) == message
