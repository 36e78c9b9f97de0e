"""Threads written out: by their owner alone, in pieces, and such that they are the same where they are brought in."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.messages.v1.messages_service_pb2 import CancelGenerationRequest, DeleteMessageRequest, SendMessageRequest
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ExportThreadsRequest

from tests.integration.accounts import administrator
from tests.integration.branching import ask, edit, listed, new_thread, orphans_of_messages, regenerate, select
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.importing import (
    CHATGPT,
    CHATGPT_FILE,
    CLAUDE,
    CLAUDE_FILE,
    bring_in,
    gpt,
    node,
    settled,
    shape,
    take_out,
    text_of,
    threads_of,
)
from tests.integration.recount import Recount, StoredIn

PIECES = (
    "Why?",
    "Weil es so ist. ß, é, ﷽, 漢字, 🇵🇹👩‍👩‍👧",
    "```python\ndef f(x: str) -> str:\n\treturn x.replace('\\\\', \"/\")\n```",
    "| a | b |\r\n|---|---|\r\n| {1} | [2] |",
    "  with blanks around  \n",
    '"quoted", \\escaped\\, </script>',
    "long " * 3000,
)


def grown(conversation: int, messages: int) -> dict[str, Any]:
    """A conversation of so many messages with a text, with branches, and with what has none in between."""
    dice = random.Random(conversation)  # noqa: S311 # the same each time
    said: list[dict[str, Any]] = []
    ends = ["root"]
    kept = 0
    while kept < messages:
        # Mostly at the end of what was said last, now and then in the place of something else.
        parent = ends[-1] if dice.random() < 0.9 else dice.choice(ends)
        id, at = f"{conversation}.{len(said)}", 1.7e9 + len(said) + dice.randrange(1000) / 1000
        kind = dice.random()
        if kind < 0.05:
            said.append(node(id, parent, "", role="system", at=None))
        elif kind < 0.1:
            said.append(node(id, parent, "what a tool says", role="tool", at=at))
        elif kind < 0.15:
            said.append(node(id, parent, "asks a tool", role="assistant", at=at, recipient="python"))
        elif kind < 0.2:
            said.append(node(id, parent, at=at, content={"content_type": "text", "parts": ["", ""]}))
        else:
            role = "assistant" if dice.random() < 0.5 else "user"
            said.append(node(id, parent, f"{dice.choice(PIECES)} {id}", role=role, at=at))
            kept += 1
        ends.append(id)
    active = dice.choice([one["id"] for one in said if one["id"] not in {other["parent"] for other in said}])
    return gpt(f"c{conversation}", *said, title=f"№ {conversation} “{PIECES[1]}”", current_node=active)


async def shapes(person: Person) -> list[dict[str, Any]]:
    """Those of all threads, by title."""
    found = [await shape(person, thread) for thread in await threads_of(person)]
    return sorted(found, key=lambda one: str((one["title"], one["times"])))


async def test_a_file_of_2000_messages_is_brought_in_taken_out_and_brought_in_again_as_the_same_threads(
    house: House, tmp_path: Path
) -> None:
    first, second, third = [await house.person() for _ in range(3)]
    source = json.dumps([grown(number, 400) for number in range(5)]).encode()

    taken = await bring_in(first, source)
    await settled(house)
    file = await take_out(first)
    again = await bring_in(second, file)
    await settled(house)
    once_more = await bring_in(third, await take_out(second))
    await settled(house)

    assert [one.messages for one in taken] == [400] * 5
    assert sum(one.messages for one in again) == sum(one.messages for one in once_more) == 2000
    there = await shapes(first)
    assert len(there) == 5
    assert sum(len(one["tree"]) for one in there) == sum(one["total"] for one in there) == 2000
    assert all(any(one["versions"]) and len(one["active"]) < 400 for one in there), "there are branches"
    assert await shapes(second) == there
    assert await shapes(third) == there
    for one in (*taken, *again):
        assert await orphans_of_messages(house, one.thread_id) == []
    assert Recount(StoredIn(tmp_path / "data").read).wrong() == []


async def test_what_is_brought_in_is_the_tree_of_the_file(house: House, anna: Person) -> None:
    source = grown(7, 300)
    (taken,) = await bring_in(anna, [source])
    messages = await listed(anna, taken.thread_id, all_branches=True)
    by_id = {one.imported_from.removeprefix("chatgpt:"): one for one in messages}

    def nearest(id: str) -> str:
        """The one among itself and those above it that was taken over."""
        while id != "root" and id not in by_id:
            id = source["mapping"][id]["parent"]
        return "" if id == "root" else by_id[id].id

    for id, one in by_id.items():
        assert one.parent_id == nearest(source["mapping"][id]["parent"])
        assert text_of(one) == source["mapping"][id]["message"]["content"]["parts"][0]
    shown = await listed(anna, taken.thread_id)
    assert shown[-1].id == nearest(source["current_node"])
    assert [one.parent_id for one in shown] == ["", *(one.id for one in shown[:-1])]


async def test_what_was_said_here_is_the_same_elsewhere(house: House, anna: Person, tmp_path: Path) -> None:
    thread_id = await new_thread(anna)
    first = await ask(anna, thread_id, "one")
    second = await ask(anna, thread_id, "two")
    await edit(anna, first.question_id, "uno")
    await regenerate(anna, second.id)
    third = await ask(anna, thread_id, "three")
    await edit(anna, third.question_id, "drei")
    await select(anna, third.id)
    deleted = await ask(anna, thread_id, "not this")
    await anna.messages.DeleteMessage(DeleteMessageRequest(id=deleted.question_id))
    await settled(house)

    ben = await house.person()
    await bring_in(ben, await take_out(anna))
    await settled(house)

    hers, his = await shapes(anna), await shapes(ben)
    assert [text_of(one) for one in await listed(anna, thread_id)][-2:] == ["three", "three"]
    assert his == hers
    assert Recount(StoredIn(tmp_path / "data").read).wrong() == []


async def test_ones_own_file_brings_nothing_in_twice(anna: Person) -> None:
    thread_id = await new_thread(anna)
    await ask(anna, thread_id, "one")
    await bring_in(anna, CHATGPT_FILE)

    for form in (CHATGPT, CLAUDE):
        again = await bring_in(anna, await take_out(anna, format=form), form)
        assert all(one.existed for one in again)
    assert len(await threads_of(anna)) == 4


async def test_claudes_format_has_what_is_shown(house: House, anna: Person) -> None:
    await bring_in(anna, CHATGPT_FILE)
    await bring_in(anna, CLAUDE_FILE, CLAUDE)
    await settled(house)
    ben = await house.person()
    await bring_in(ben, await take_out(anna, format=CLAUDE), CLAUDE)
    await settled(house)

    for hers, his in zip(await shapes(anna), await shapes(ben), strict=True):
        shown = [hers["tree"][place] for place in hers["active"]]
        assert (his["title"], his["times"]) == (hers["title"], hers["times"])
        assert [one[1:] for one in his["tree"]] == [one[1:] for one in shown]
        assert his["active"] == list(range(len(shown)))


async def test_models_that_share_a_thread_stand_beside_each_other_in_one_tree(house: House, anna: Person) -> None:
    first, *_ = await bring_in(anna, CHATGPT_FILE)
    answer = await ask(anna, first.thread_id, "And with echo?")
    await settled(house)
    file = await take_out(anna, first.thread_id)
    (written,) = json.loads(file)
    roots = [one["id"] for one in written["mapping"].values() if one["parent"] == "client-created-root"]
    assert (written["current_node"], written["default_model_slug"], len(roots)) == (answer.id, "echo", 3)

    ben = await house.person()
    (taken,) = await bring_in(ben, file)
    assert taken.messages == 7
    assert {one.model_id for one in await listed(ben, taken.thread_id, all_branches=True)} == {"echo"}
    assert [text_of(one) for one in await listed(ben, taken.thread_id)] == ["And with echo?", "And with echo?"]


async def test_an_answer_that_has_not_ended_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "5")
    async with open_house(tmp_path / "data") as house:
        anna = await house.person()
        thread_id = await new_thread(anna)
        stream = aiter(
            anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content="x " * 500))
        )
        running = (await anext(stream)).message_id
        (before,) = json.loads(await take_out(anna, format=CLAUDE))
        (tree,) = json.loads(await take_out(anna))
        await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=running))

    assert [one["sender"] for one in before["chat_messages"]] == ["human"]
    assert running not in tree["mapping"]
    assert tree["current_node"] == before["chat_messages"][0]["uuid"]


async def test_threads_are_named_or_all(house: House, anna: Person) -> None:
    ids = [(await anna.threads.CreateThread(CreateThreadRequest(title=f"{number}"))).id for number in range(3)]

    assert [one["id"] for one in json.loads(await take_out(anna))] == ids
    assert [one["uuid"] for one in json.loads(await take_out(anna, ids[2], ids[0], ids[2], format=CLAUDE))] == [
        ids[2],
        ids[0],
    ]
    ben = await house.person()
    assert json.loads(await take_out(ben)) == []
    with refused(StatusCode.NOT_FOUND):
        await take_out(ben, ids[0])


async def test_pieces_are_small(anna: Person) -> None:
    await bring_in(anna, [grown(number, 100) for number in range(3)])
    pieces = [piece.data async for piece in anna.threads.ExportThreads(ExportThreadsRequest(format=CHATGPT))]

    assert len(pieces) > 3
    assert max(map(len, pieces)) <= 64 * 1024
    assert len(json.loads(b"".join(pieces))) == 3


async def test_that_threads_are_exported_is_on_record(house: House, anna: Person) -> None:
    await take_out(anna)

    async with administrator(house) as root:
        request = ListAuditEventsRequest(action="thread.export")
        page = await eventually(partial(root.operations.ListAuditEvents, request), lambda page: page.audit_events)
    (event,) = page.audit_events
    assert (event.actor, event.user_id, event.entity_id) == (anna.user_id,) * 3
