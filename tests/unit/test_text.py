"""What characters the strings of a request may hold, wherever in it they are."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.threads.v1.thread_pb2 import ModelUsage, Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest, UpdateThreadRequest

from libs.common.errors import Invalid
from libs.common.rpc.interceptors.text import TextRule, without_forbidden
from libs.common.rpc.interceptors.validation import Validation
from tests.unit.test_contract import rpcs

LINE_BREAKS = "\n\r\u2028\u2029"
NONCHARACTERS = [*range(0xFDD0, 0xFDF0), *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF))]
BELL = "\x07"
RULE = TextRule()


def broken(request: Message) -> set[str]:
    return {violation.field for violation in RULE.violations(request)}


def test_every_character_is_allowed_in_a_text_but_controls_and_noncharacters() -> None:
    refused = {
        code
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000  # surrogates are in no UTF-8
        if broken(SendMessageRequest(content=f"a{chr(code)}b"))
    }
    controls = {code for code in range(256) if unicodedata.category(chr(code)) == "Cc"} - set(map(ord, "\t\n\r"))

    assert refused == controls | set(NONCHARACTERS)


@pytest.mark.parametrize("line_break", LINE_BREAKS)
@pytest.mark.parametrize("field", ["thread_id", "model_id", "request_id"])
def test_line_breaks_are_for_texts_and_not_for_names(field: str, line_break: str) -> None:
    request = SendMessageRequest()
    setattr(request, field, f"a{line_break}b")

    assert broken(request) == {field}
    assert broken(SendMessageRequest(content=f"a{line_break}b", system_prompt=line_break)) == set()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_break_at_the_very_end_counts(end: str) -> None:
    assert broken(CreateThreadRequest(title=f"title{end}")) == {"title"}


def test_a_place_is_named_as_a_path_at_any_depth() -> None:
    request = UpdateThreadRequest(
        thread=Thread(
            title=BELL,
            settings=ThreadSettings(tags=["fine", BELL]),
            models={"gpt-5.1": ModelUsage(summary=BELL), f"gpt{BELL}": ModelUsage()},
        ),
        update_mask={"paths": ["title", f"settings{BELL}"]},
    )

    assert broken(request) == {
        "thread.title",
        "thread.settings.tags[1]",
        'thread.models["gpt-5.1"].summary',
        "thread.models",
        "update_mask.paths[1]",
    }


def test_a_type_that_holds_itself_is_followed_all_the_way_down() -> None:
    struct = Struct()
    struct.update({"a": [{"b": BELL}]})

    assert broken(struct) == {
        'fields["a"].list_value.values[0].struct_value.fields["b"].string_value',
    }


def test_a_refusal_lists_both_kinds_of_rules_and_never_tells_the_text() -> None:
    with pytest.raises(Invalid) as caught:
        Validation().check(SendMessageRequest(thread_id="t", model_id="m", content=f"hunter2{BELL}", temperature=3))

    assert {violation.field for violation in caught.value.violations} == {"content", "temperature"}
    assert "hunter2" not in caught.value.text
    assert BELL not in caught.value.text


def test_the_key_of_a_map_is_told_without_its_control_characters() -> None:
    models = {f"a{BELL}\ufffe": ModelUsage(last_temperature=9)}

    with pytest.raises(Invalid) as caught:
        Validation().check(UpdateThreadRequest(thread=Thread(models=models), update_mask={"paths": ["title"]}))

    assert r'thread.models["a\u0007\ufffe"].last_temperature' in {found.field for found in caught.value.violations}


@pytest.mark.parametrize("rpc", rpcs(), ids=lambda rpc: rpc.full_name.removeprefix("llmchat."))
def test_no_string_of_any_request_takes_a_control_character(rpc: MethodDescriptor) -> None:
    places = list(strings_of(rpc.input_type))

    for path, put in places:
        request = GetMessageClass(rpc.input_type)()
        put(request, f"text{BELL}")
        assert broken(request) == {path}


def test_what_others_wrote_is_freed_of_what_no_request_may_hold() -> None:
    assert without_forbidden("a\x00\tb\x9f\r\nc\uffff\U0001fffe 👩‍💻é") == "a\tb\r\nc 👩‍💻é"


def test_a_request_without_strings_passes() -> None:
    assert broken(GetThreadRequest()) == set()


Put = Callable[[Message, str], None]


def strings_of(type: Descriptor, above: tuple[Descriptor, ...] = ()) -> Iterator[tuple[str, Put]]:
    """Every place of a string in a message, by its path, and what puts one there; a type within itself is left out."""
    for field in type.fields:
        if field.message_type is None:
            if field.type == FieldDescriptor.TYPE_STRING:
                yield (
                    (f"{field.name}[0]", _appending(field.name))
                    if field.is_repeated
                    else (field.name, _setting(field.name))
                )
        elif field.message_type not in above and not field.message_type.GetOptions().map_entry:
            for path, put in strings_of(field.message_type, (*above, type)):
                yield f"{field.name}{'[0]' if field.is_repeated else ''}.{path}", _within(field, put)


def _setting(name: str) -> Put:
    return lambda message, text: setattr(message, name, text)


def _appending(name: str) -> Put:
    return lambda message, text: getattr(message, name).append(text)


def _within(field: FieldDescriptor, put: Put) -> Put:
    def put_within(message: Message, text: str) -> None:
        value = getattr(message, field.name)
        put(value.add() if field.is_repeated else value, text)

    return put_within
