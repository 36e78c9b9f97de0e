"""Conversations that were held with ChatGPT and Claude, brought in: as they were, once, and to be gone on with."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

from grpc import StatusCode
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER
from llmchat.messages.v1.messages_service_pb2 import StreamTokensRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    DeleteThreadRequest,
)
from llmchat.users.v1.user_pb2 import UserSettings
from llmchat.users.v1.users_service_pb2 import UpdateUserRequest

from libs.common.clock import milliseconds, wall_clock
from tests.integration.accounts import account
from tests.integration.branching import ask, listed, orphans_of_messages, regenerate, select
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person
from tests.integration.importing import (
    CHATGPT_FILE,
    CLAUDE,
    CLAUDE_FILE,
    bring_in,
    chain,
    gpt,
    node,
    settled,
    shape,
    steps,
    text_of,
    thread_of,
    threads_of,
)
from tests.integration.recount import Recount, StoredIn
from tests.integration.watching import watch
from tests.standins.accounts import registration


async def imported(person: Person, *said: dict[str, Any], **fields: Any) -> Thread:
    """The thread of one conversation, once its messages are counted."""
    (taken,) = await bring_in(person, [gpt("one", *said, **fields)], model_id="echo")
    assert not taken.error
    return await eventually(
        partial(thread_of, person, taken.thread_id), lambda thread: thread.total_messages == taken.messages
    )


class TestChatGpt:
    async def test_a_conversation_is_as_it_was(self, house: House, anna: Person) -> None:
        first, second, third = await bring_in(anna, CHATGPT_FILE, model_id="echo")
        await settled(house)

        thread = await thread_of(anna, first.thread_id)
        assert (first.messages, first.existed, first.error) == (5, False, "")
        assert {one.imported_from[:16] for one in await listed(anna, thread.id)} == {"chatgpt:11111111"}
        assert (thread.title, thread.has_title, thread.is_importing) == ("Tram 28", True, False)
        assert thread.imported_from == "chatgpt:aaaaaaaa-0000-4000-8000-000000000001"
        assert (await shape(anna, thread))["times"] == (1735725600123, 1735726200456)
        assert [second.messages, third.messages] == [2, 1]

    async def test_its_branches_are_a_tree_without_what_system_and_tools_said(self, house: House, anna: Person) -> None:
        first, *_ = await bring_in(anna, CHATGPT_FILE, model_id="echo")
        await settled(house)

        seen = await shape(anna, await thread_of(anna, first.thread_id))
        assert seen["tree"] == [
            (None, ROLE_USER, "Where does tram 28 begin?", 1735725600500),
            (0, ROLE_ASSISTANT, "At Martim Moniz. 🚋", 1735725605250),
            (None, ROLE_USER, "Is this tram 28? And where does it end?", 1735726000000),
            (2, ROLE_ASSISTANT, "I cannot see that.", 1735726005000),
            (2, ROLE_ASSISTANT, "Yes.\nIt ends at Campo de Ourique.", 1735726100750),
        ]
        assert seen["versions"] == [[0, 2], [], [0, 2], [3, 4], [3, 4]]
        assert seen["active"] == [2, 4]
        assert await orphans_of_messages(house, first.thread_id) == []

    async def test_what_the_file_does_not_say_is_filled_in(self, house: House, anna: Person) -> None:
        _, second, third = await bring_in(anna, CHATGPT_FILE, model_id="echo")
        await settled(house)

        code = await shape(anna, await thread_of(anna, second.thread_id))
        untitled = await thread_of(anna, third.thread_id)
        assert code["tree"][1][3] == 1735900001000, "of the question that it answers"
        assert code["times"][1] == 1735900001000, "of the last message"
        assert code["active"] == [0, 1]
        assert (untitled.title, untitled.has_title) == ("New conversation", False)
        assert abs(milliseconds(untitled.created_at) - wall_clock()) < 60_000

    async def test_characters_that_no_text_may_hold_are_left_out(self, anna: Person) -> None:
        thread = await imported(anna, node("q", "root", "a\x00b\x1bc\ufffed\te\r\nf"), title="One\nline\x07")

        assert [text_of(one) for one in await listed(anna, thread.id)] == ["abcd\te\r\nf"]
        assert thread.title == "One line"

    async def test_a_long_title_is_cut(self, anna: Person) -> None:
        assert (await imported(anna, node("q", "root"), title="é" * 300)).title == "é" * 200

    async def test_times_yet_to_come_are_no_activity(self, anna: Person) -> None:
        thread = await imported(anna, node("q", "root", at=4e9), create_time=4e9, update_time=4e9)

        assert milliseconds(thread.updated_at) <= wall_clock()
        assert milliseconds(thread.models["echo"].last_message_at) <= wall_clock()

    async def test_a_byte_order_mark_and_unknown_fields_are_passed_over(self, anna: Person) -> None:
        said = node("q", "root") | {"what": {"nobody": ["knows"]}}
        data = b"\xef\xbb\xbf" + json.dumps([gpt("one", said, voice=None, more=[1, {}])]).encode()

        assert [taken.messages for taken in await bring_in(anna, data, model_id="echo")] == [1]


class TestClaude:
    async def test_a_conversation_is_as_it_was(self, house: House, anna: Person) -> None:
        first, second = await bring_in(anna, CLAUDE_FILE, CLAUDE, model_id="echo")
        await settled(house)

        thread = await thread_of(anna, first.thread_id)
        seen = await shape(anna, thread)
        assert thread.imported_from == "claude:cccccccc-0000-4000-8000-000000000001"
        assert seen["title"] == ("Bread at altitude", True)
        assert seen["times"] == (1740816000123, 1740816330500)
        assert seen["tree"] == [
            (None, ROLE_USER, "Why does my bread rise so fast at 2,000 m?", 1740816001250),
            (0, ROLE_ASSISTANT, "Less air presses on it.\n\nUse less yeast: 2 % → 1.5 %.", 1740816009750),
            (1, ROLE_USER, "And the oven? ご飯も?", 1740816300000),
            (
                2,
                ROLE_ASSISTANT,
                "Hotter, and for a shorter time.\n\n| m | °C |\n|---|---|\n| 0 | 220 |\n| 2,000 | 235 |",
                1740816330500,
            ),
        ]
        assert seen["active"] == [0, 1, 2, 3]
        assert (second.messages, second.error) == (0, "")


class TestGoingOn:
    async def test_a_question_follows_the_active_path(self, house: House, anna: Person) -> None:
        thread = await imported(
            anna,
            node("q", "root", "Which?", at=1),
            node("a", "q", "This.", role="assistant", at=2),
            node("b", "q", "That.", role="assistant", at=3),
            current_node="a",
        )
        await ask(anna, thread.id, "Why this?")

        assert [text_of(one) for one in await listed(anna, thread.id)] == ["Which?", "This.", "Why this?", "Why this?"]
        assert await orphans_of_messages(house, thread.id) == []

    async def test_an_answer_is_generated_anew_and_another_version_chosen(self, anna: Person) -> None:
        thread = await imported(anna, node("q", "root", "Which?"), node("a", "q", "This.", role="assistant"))
        _, answer = await listed(anna, thread.id)
        again = await regenerate(anna, answer.id)

        assert [text_of(one) for one in await listed(anna, thread.id)] == ["Which?", "Which?"]
        assert list((await select(anna, answer.id)).version_ids) == [answer.id, again.id]
        assert [text_of(one) for one in await listed(anna, thread.id)] == ["Which?", "This."]

    async def test_an_imported_answer_is_streamed_as_any_other(self, anna: Person) -> None:
        long = "wörd " * 2000
        thread = await imported(anna, node("q", "root"), node("a", "q", long, role="assistant"))
        _, answer = await listed(anna, thread.id)

        seen = await watch(anna.messages.StreamTokens(StreamTokensRequest(message_id=answer.id)))
        assert seen.text == long


class TestAgain:
    async def test_what_is_there_is_found_and_left_as_it_is(self, house: House, anna: Person) -> None:
        first = await bring_in(anna, CHATGPT_FILE, model_id="echo")
        await ask(anna, first[0].thread_id, "And then?")
        await settled(house)
        before = [(thread, await listed(anna, thread.id, all_branches=True)) for thread in await threads_of(anna)]

        again = await bring_in(anna, CHATGPT_FILE, model_id="echo")
        await settled(house)

        assert [one.thread_id for one in again] == [one.thread_id for one in first]
        assert all(one.existed and not one.messages for one in again)
        assert [(t, await listed(anna, t.id, all_branches=True)) for t in await threads_of(anna)] == before

    async def test_what_was_deleted_is_brought_in_as_another(self, house: House, anna: Person) -> None:
        for _ in range(3):
            first, *_ = await bring_in(anna, CHATGPT_FILE, model_id="echo")
            assert not first.existed
            await settled(house)
            assert (await thread_of(anna, first.thread_id)).total_messages == 5
            assert len(await listed(anna, first.thread_id, all_branches=True)) == 5
            await anna.threads.DeleteThread(DeleteThreadRequest(id=first.thread_id))

    async def test_the_same_file_at_the_same_time_is_brought_in_once(
        self, house: House, anna: Person, tmp_path: Path
    ) -> None:
        imports = await asyncio.gather(*(bring_in(anna, CHATGPT_FILE, model_id="echo") for _ in range(4)))
        await settled(house)

        assert len({tuple(one.thread_id for one in threads) for threads in imports}) == 1
        assert [len(await listed(anna, one.thread_id, all_branches=True)) for one in imports[0]] == [5, 2, 1]
        assert Recount(StoredIn(tmp_path / "data").read).wrong() == []

    async def test_two_people_have_a_thread_each(self, house: House, anna: Person) -> None:
        ben = await house.person()
        hers, his = await bring_in(anna, CHATGPT_FILE, model_id="echo"), await bring_in(ben, CHATGPT_FILE)

        assert not {one.thread_id for one in hers} & {one.thread_id for one in his}
        assert len(await threads_of(anna)) == len([one for one in hers if not one.error])


class TestCounting:
    async def test_totals_statistics_and_usage_count_what_is_brought_in_and_deleted(
        self, house: House, tmp_path: Path
    ) -> None:
        async with house.visit() as nobody:
            ada = await house.person((await nobody.users.CreateUser(registration())).id)
        taken = await bring_in(ada, CHATGPT_FILE, model_id="echo")
        await ask(ada, taken[1].thread_id, "And then?")
        await settled(house)
        assert Recount(StoredIn(tmp_path / "data").read).wrong([ada.user_id]) == []

        await ada.threads.DeleteThread(DeleteThreadRequest(id=taken[0].thread_id))
        await settled(house)
        assert Recount(StoredIn(tmp_path / "data").read).wrong() == []

    async def test_a_thread_knows_its_models_and_its_last_activity(self, anna: Person) -> None:
        thread = await imported(anna, *chain(7), update_time=1.7e9)

        assert (list(thread.active_models), thread.models["echo"].message_count) == (["echo"], 7)
        assert milliseconds(thread.updated_at) == milliseconds(thread.models["echo"].last_message_at) == 1700000006000


class TestModels:
    async def test_all_messages_are_put_under_the_model_of_the_last_active_answer(
        self, house: House, anna: Person
    ) -> None:
        first, *_ = await bring_in(anna, CHATGPT_FILE, model_id="echo")

        assert {one.model_id for one in await listed(anna, first.thread_id, all_branches=True)} == {"gpt-4.1"}

    async def test_one_that_the_catalog_does_not_have_gives_way_to_the_one_that_is_named(self, anna: Person) -> None:
        _, second, _ = await bring_in(anna, CHATGPT_FILE, model_id="claude-3.5-sonnet")

        assert {one.model_id for one in await listed(anna, second.thread_id)} == {"claude-3.5-sonnet"}

    async def test_then_to_the_persons_own(self, house: House) -> None:
        ada = await account(house)
        request = UpdateUserRequest()
        request.user.id = ada.user_id
        request.user.settings.CopyFrom(UserSettings(default_model="echo"))
        request.update_mask.paths.append("settings.default_model")
        await ada.users.UpdateUser(request)
        _, second, _ = await bring_in(ada, CHATGPT_FILE)

        assert {one.model_id for one in await listed(ada, second.thread_id)} == {"echo"}

    async def test_and_then_to_the_systems(self, house: House, anna: Person) -> None:
        _, second, _ = await bring_in(anna, CHATGPT_FILE)

        default = house.process.config.current.defaults.model
        assert {one.model_id for one in await listed(anna, second.thread_id)} == {default}

    async def test_one_that_is_named_and_does_not_exist_is_not_found(self, anna: Person) -> None:
        with refused(StatusCode.NOT_FOUND):
            await bring_in(anna, CHATGPT_FILE, model_id="no-such-model")
        assert await threads_of(anna) == []


async def test_one_who_leaves_in_the_middle_has_imported_nothing(house: House, anna: Person) -> None:
    sent = asyncio.Event()

    async def broken() -> Any:
        async for step in steps(CHATGPT_FILE):
            yield step
            sent.set()
            await asyncio.sleep(0.001)
        await asyncio.Event().wait()

    call = anna.threads.ImportThreads(broken())
    await sent.wait()
    call.cancel()
    assert await threads_of(anna) == []
