"""Files of conversations: what has no form of its own, whatever the format."""

from __future__ import annotations

import io
import json
from itertools import permutations
from typing import Any

import pytest
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER
from llmchat.threads.v1.threads_service_pb2 import CONVERSATION_FORMAT_CHATGPT, CONVERSATION_FORMAT_CLAUDE

from libs.common.errors import Invalid
from services.threads.formats.conversation import Conversation, Node, arranged
from services.threads.formats.fields import clean, iso_of, one_line, seconds_of, to_iso
from services.threads.formats.files import FORMATS, read_conversations


def conversation(*nodes: Node, active_id: str = "", **fields: Any) -> Conversation:
    times: dict[str, Any] = {"created_at": None, "updated_at": None}
    return arranged("here", nodes, source_id="one", title="t", active_id=active_id, **times | fields)


def node(id: str, parent_id: str = "", text: str = "text", at: int | None = None) -> Node:
    return Node(id, parent_id, ROLE_USER, text, at)


def test_messages_come_by_time_with_parents_before_children_in_whatever_order_the_file_has_them() -> None:
    nodes = (node("a", at=5), node("b", "a", at=1), node("c", "a", at=9), node("d", "b", at=7), node("e", at=6))

    for order in permutations(nodes):
        assert [said.id for said in conversation(*order).messages] == ["a", "b", "e", "d", "c"]


def test_what_is_left_out_leaves_its_place_to_what_it_follows() -> None:
    nodes = node("a", text=""), node("b", "a"), node("c", "b", text=""), node("d", "c", text=""), node("e", "d")
    found = conversation(*nodes, active_id="d")

    assert {said.id: said.parent_id for said in found.messages} == {"b": "", "e": "b"}
    assert found.active_id == "b"
    assert [said.id for said in found.path] == ["b"]


def test_a_time_that_is_missing_is_the_nearest_that_is_known() -> None:
    nodes = node("a"), node("b", "a", at=7), node("c", "b", text=""), node("d", "c")

    found = conversation(*nodes)
    assert [said.created_at for said in found.messages] == [7, 7, 7]
    assert (found.created_at, found.updated_at) == (7, 7)
    assert [said.created_at for said in conversation(*nodes, created_at=3).messages] == [3, 7, 7]


def test_where_no_time_is_known_it_is_now() -> None:
    found = conversation(node("a"), node("b", "a")).dated(99)

    assert (found.created_at, found.updated_at) == (99, 99)
    assert {said.created_at for said in found.messages} == {99}
    assert conversation(node("a", at=5)).dated(99).created_at == 5


def test_a_tree_of_any_depth_is_read() -> None:
    nodes = [node("0")] + [node(f"{number}", f"{number - 1}", at=number) for number in range(1, 20_000)]

    assert len(conversation(*reversed(nodes)).path) == 20_000


@pytest.mark.parametrize(
    ("text", "left"),
    [("a\x00b", "ab"), ("half \ud83d of it", "half  of it"), ("\ufdd0\ufffe", ""), ("\ta\r\n", "\ta\r\n")],
    ids=["NUL", "surrogate", "noncharacters", "tab and lines"],
)
def test_what_no_text_may_hold_is_left_out(text: str, left: str) -> None:
    assert clean(text) == left


def test_a_title_is_one_line() -> None:
    assert one_line("a\r\nb\u2028c\x00") == "a b c"


@pytest.mark.parametrize("ms", [0, 1, 999, 1735725600123, 253402300799999])
def test_times_are_kept_to_the_millisecond(ms: int) -> None:
    assert seconds_of(ms / 1000, "") == ms
    assert seconds_of(json.loads(json.dumps(ms / 1000)), "") == ms
    assert iso_of(to_iso(ms), "") == ms


@pytest.mark.parametrize("value", [True, "1", [], float("inf"), float("nan"), -1, 10**18])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        seconds_of(value, "here")


@pytest.mark.parametrize("value", [1, "yesterday", "1969-12-31T23:59:59Z", "2025-13-01"])
def test_what_is_no_time_in_iso_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        iso_of(value, "here")


@pytest.mark.parametrize("format", [CONVERSATION_FORMAT_CHATGPT, CONVERSATION_FORMAT_CLAUDE])
def test_what_is_written_is_read_as_it_was(format: Any) -> None:
    nodes = [
        Node("a", "", ROLE_USER, 'x "\\ 漢\u2028\t', 5),
        Node("b", "a", ROLE_ASSISTANT, "y", 7, "m"),
        Node("c", "b", ROLE_USER, "z", 9),
    ]
    one = arranged("", nodes, source_id="i", title="t“", created_at=1, updated_at=11, active_id="c")
    empty = arranged("", [], source_id="j", title="", created_at=2, updated_at=3, active_id="")
    form = FORMATS[format]
    data = ("[" + ",".join("".join(form.write(each)) for each in (one, empty)) + "]").encode()

    found, found_empty = read_conversations(io.BytesIO(data), form)
    shown = [(said.id, said.parent_id, said.role, said.text, said.created_at) for said in found.messages]
    assert shown == [(said.id, said.parent_id, said.role, said.text, said.created_at) for said in one.messages]
    assert (found.source_id, found.title, found.created_at, found.updated_at, found.active_id) == (
        "i",
        "t“",
        1,
        11,
        "c",
    )
    assert (found_empty.title, found_empty.messages, found_empty.created_at) == ("", [], 2)
