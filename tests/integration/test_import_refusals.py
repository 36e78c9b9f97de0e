"""Files that are none, and what is too much: refused as a whole with where, or one conversation with why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ImportThreadsRequest

from services.threads import importing
from services.threads.formats import files
from tests.integration.calling import refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.importing import CHATGPT, CHATGPT_FILE, CLAUDE_FILE, bring_in, gpt, node, settled, threads_of
from tests.integration.recount import Recount, StoredIn


def limited(tmp_path: Path, **limits: int) -> Any:
    """A house with these limits and no others."""
    none = {"max_threads_per_user": 0, "max_messages_per_thread": 0, "requests_per_minute": 0, "requests_per_hour": 0}
    return open_house(tmp_path / "data", limits=json.dumps(none | limits))


class TestLimits:
    async def test_of_more_threads_than_a_person_may_have_the_first_are_taken(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_threads_per_user=2) as house:
            anna = await house.person()
            await anna.threads.CreateThread(CreateThreadRequest())
            taken = await bring_in(anna, CHATGPT_FILE, model_id="echo")
            again = await bring_in(anna, CHATGPT_FILE, model_id="echo")

        assert [bool(one.thread_id) for one in taken] == [True, False, False]
        assert "may have 2 threads" in taken[1].error
        assert [(one.existed, bool(one.error)) for one in again] == [(True, False), (False, True), (False, True)]

    async def test_a_conversation_that_is_too_long_is_refused_and_the_others_are_taken(self, tmp_path: Path) -> None:
        async with limited(tmp_path, max_messages_per_thread=4) as house:
            anna = await house.person()
            taken = await bring_in(anna, CHATGPT_FILE, model_id="echo")

            assert [(bool(one.thread_id), one.error) for one in taken] == [
                (False, "it has 5 messages, and a thread may have 4"),
                (True, ""),
                (True, ""),
            ]
            assert len(await threads_of(anna)) == 2

    async def test_one_with_too_many_branches_leaves_nothing_behind(
        self, house: House, anna: Person, tmp_path: Path
    ) -> None:
        roots = [node(f"q{number}", "root", at=1.7e9 + number) for number in range(201)]
        taken = await bring_in(anna, [gpt("wide", *roots), gpt("one", node("q", "root"))], model_id="echo")
        await settled(house)

        assert [bool(one.thread_id) for one in taken] == [False, True]
        assert "branches" in taken[0].error
        assert [thread.title for thread in await threads_of(anna)] == ["Of one"]
        assert Recount(StoredIn(tmp_path / "data").read).wrong() == []

    async def test_a_text_that_is_too_long_is_refused(self, anna: Person) -> None:
        longest = node("q", "root", "é" * 250_000)
        too_long = node("q", "root", "é" * 250_001)
        taken = await bring_in(anna, [gpt("one", longest), gpt("two", too_long)], model_id="echo")

        assert [one.messages for one in taken] == [1, 0]
        assert taken[1].error == "a message of it has 250001 characters, and may have 250000"

    async def test_a_file_that_is_too_large_is_refused_while_it_comes(
        self, anna: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importing, "MOST_BYTES", 5000)
        with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
            await bring_in(anna, CHATGPT_FILE, model_id="echo")
        assert refusal.error.reason == "IMPORT_TOO_LARGE"
        assert await threads_of(anna) == []

    @pytest.mark.parametrize(
        ("bound", "value"), [("MOST_CONVERSATIONS", 2), ("_MOST_BYTES", 1000), ("_MOST_VALUES", 10)]
    )
    async def test_a_file_with_too_much_in_it_is_refused_before_any_of_it_is_taken(
        self, anna: Person, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
    ) -> None:
        monkeypatch.setattr(files, bound, value)
        with refused(StatusCode.RESOURCE_EXHAUSTED):
            await bring_in(anna, CHATGPT_FILE, model_id="echo")
        assert await threads_of(anna) == []


GOOD = gpt("good", node("q", "root"))


def with_message(**fields: Any) -> dict[str, Any]:
    return gpt("bad", node("q", "root", **fields))


GARBAGE: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "conversation 1: is where"),
    "no JSON": (b"[{", "conversation 1: is where the file ceases to be JSON"),
    "cut off": (json.dumps([GOOD, GOOD]).encode()[:-9], "conversation 2: is where the file ceases to be JSON"),
    "more behind it": (json.dumps([GOOD]).encode() + b"]", "conversation 2"),
    "no UTF-8": (b'[{"title": "\xff"}]', "conversation 1: is where"),
    "no list": (b'{"mapping": {}}', "the file: is not a list of conversations"),
    "a list of numbers": ([1, 2], "conversation 1: is not an object"),
    "another format": (CLAUDE_FILE, "conversation 1: has no `mapping`: is the file of another format?"),
    "no id": ([GOOD, gpt("")], "conversation 2: has no `conversation_id`"),
    "an id with a line break": ([gpt("a\nb")], "conversation 1.conversation_id: is not an id"),
    "a mapping that is a list": ([gpt("bad", mapping=[])], "conversation 1.mapping: is not an object"),
    "a node that is text": ([gpt("bad", mapping={"a": "b"})], 'conversation 1.mapping["a"]: is not an object'),
    "a parent that is not there": ([gpt("bad", node("q", "nobody"))], "message q: follows one that is not there"),
    "a circle": (
        [gpt("bad", node("a", "b"), node("b", "a"))],
        "conversation 1: has messages that follow each other in a circle",
    ),
    "an active one that is not there": ([gpt("bad", current_node="x")], "conversation 1.current_node: names no"),
    "a title that is a number": ([gpt("bad", title=1)], "conversation 1.title: is not a string"),
    "a time that is text": (
        [with_message(create_time="now")],
        'conversation 1.mapping["q"].message.create_time: is not a number of seconds',
    ),
    "a time before 1970": ([gpt("bad", create_time=-1)], "conversation 1.create_time: is not a time from 1970"),
    "parts that are no list": (
        [with_message(content={"content_type": "text", "parts": "x"})],
        'conversation 1.mapping["q"].message.content.parts: is not a list',
    ),
    "an author that is text": ([with_message(author="user")], '["q"].message.author: is not an object'),
}


class TestGarbage:
    @pytest.mark.parametrize("kind", GARBAGE)
    async def test_a_file_that_is_none_is_refused_with_where_and_none_of_it_is_taken(
        self, anna: Person, kind: str
    ) -> None:
        data, where = GARBAGE[kind]
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await bring_in(anna, data, model_id="echo")

        assert (refusal.error.reason, refusal.fields) == ("MALFORMED_IMPORT", {"data"})
        assert where in refusal.error.text
        assert await threads_of(anna) == []

    async def test_no_word_of_what_people_wrote_is_in_the_refusal(self, anna: Person) -> None:
        data = json.dumps([gpt("one", node("q", "root", "my secret"))]).encode()[:-60]
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await bring_in(anna, data, model_id="echo")

        assert "secret" not in str(refusal.error) + str(refusal.error.metadata)

    @pytest.mark.parametrize(
        ("sent", "field"),
        [
            ([], "begin"),
            ([ImportThreadsRequest(data=b"[]")], "begin"),
            ([ImportThreadsRequest()], "begin"),
            (
                [ImportThreadsRequest(begin={"format": CHATGPT}), ImportThreadsRequest(begin={"format": CHATGPT})],
                "begin",
            ),
            ([ImportThreadsRequest(begin={})], "begin.format"),
        ],
        ids=["nothing", "data first", "an empty step", "begin twice", "no format"],
    )
    async def test_begin_comes_first_and_once(self, anna: Person, sent: list[ImportThreadsRequest], field: str) -> None:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await anna.threads.ImportThreads(iter(sent))
        assert refusal.fields == {field}

    async def test_an_empty_list_is_a_file(self, anna: Person) -> None:
        assert await bring_in(anna, b" []\n") == []
