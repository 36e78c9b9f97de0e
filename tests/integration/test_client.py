"""The client against the real services, all five in one process: a conversation from the account to the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llmchat.messages.v1 import message_pb2
from llmchat.operations.v1 import operation_pb2
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings

from libs.client import Answer, Client
from libs.client.printing import text_of
from libs.common.errors import AlreadyExists, Invalid, NotFound, Precondition, Stale, Unauthenticated
from libs.common.opening import open_process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from tests.standins.wire import Wire

PASSWORD = "correct horse battery"
QUESTION = "Tell me, word by word, what a naïve 👩‍🚀 says when a stream breaks: nothing, for she resumes it."


@pytest.fixture
def pace() -> float:
    """Tokens a second of the echo model; 0 for as fast as it can."""
    return 0


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: float) -> AsyncIterator[int]:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", str(pace))
    settings = Settings(listen="127.0.0.1:0", store_url=f"sqlite:///{tmp_path}", stop_grace=0)
    async with open_process(settings, EMBEDDED) as process:
        yield int(process.server.address.rpartition(":")[2])


@pytest.fixture
async def ada(port: int) -> AsyncIterator[Client]:
    async with Client(f"127.0.0.1:{port}") as client:
        await client.register("ada@example.com", "Ada", PASSWORD)
        await client.login("ada@example.com", PASSWORD)
        yield client


async def read_to(answer: Answer, *, seq: int) -> None:
    async for event in answer:
        if event.seq >= seq:
            return


async def test_a_conversation_is_sent_answered_and_read_back(ada: Client) -> None:
    thread = await ada.create_thread()

    answer = ada.send(thread.id, "echo", QUESTION)
    final = await answer.read()
    question, stored = [message async for message in ada.list_messages(thread.id)]

    assert final.status == message_pb2.MESSAGE_STATUS_COMPLETE
    assert text_of(question) == QUESTION
    assert text_of(stored) == answer.text == QUESTION
    assert stored.id == answer.message_id
    assert len(stored.tokens.lengths) == answer.seq
    assert (await ada.get_message(answer.message_id)).tokens == stored.tokens


@pytest.mark.parametrize("pace", [100])
async def test_a_connection_that_is_cut_again_and_again_costs_no_token(port: int, ada: Client) -> None:
    thread = await ada.create_thread()
    numbers: list[int] = []
    async with Wire(port) as wire, Client(f"127.0.0.1:{wire.port}", token=ada.token) as client:
        answer = client.send(thread.id, "echo", QUESTION)
        async for event in answer:
            tokens = event.tokens.tokens
            numbers += range(event.seq - len(tokens) + 1, event.seq + 1)
            if tokens and event.seq % 4 == 0:
                wire.cut()

    assert answer.reopened > 0
    assert numbers == list(range(1, answer.seq + 1))
    assert answer.text == text_of(await ada.get_message(answer.message_id)) == QUESTION


@pytest.mark.parametrize("pace", [100])
async def test_an_answer_is_written_on_unwatched_and_resumed_by_another_client(port: int, ada: Client) -> None:
    thread = await ada.create_thread()
    async with Client(f"127.0.0.1:{port}", token=ada.token) as first:
        answer = first.send(thread.id, "echo", QUESTION)
        await read_to(answer, seq=3)

    rest = ada.resume(answer.message_id, after_seq=answer.seq)
    await rest.read()

    assert answer.text + rest.text == QUESTION


@pytest.mark.parametrize("pace", [20])
async def test_cancel_keeps_what_is_written(ada: Client) -> None:
    thread = await ada.create_thread()
    answer = ada.send(thread.id, "echo", QUESTION)
    await read_to(answer, seq=2)

    await answer.cancel()
    final = await answer.read()

    assert final.status == message_pb2.MESSAGE_STATUS_CANCELLED
    assert QUESTION.startswith(answer.text)
    assert answer.text != QUESTION
    assert text_of(await ada.get_message(answer.message_id)) == answer.text


async def test_a_send_that_is_repeated_under_its_request_id_attaches(ada: Client) -> None:
    thread = await ada.create_thread()
    first = ada.send(thread.id, "echo", QUESTION, request_id="the-same")
    again = ada.send(thread.id, "echo", QUESTION, request_id="the-same")

    await asyncio.gather(first.read(), again.read())

    assert first.message_id == again.message_id
    assert first.text == again.text == QUESTION
    assert len([message async for message in ada.list_messages(thread.id)]) == 2


async def test_other_versions_are_made_and_chosen_thought_of_and_deleted(ada: Client) -> None:
    thread = await ada.create_thread()
    first = ada.send(thread.id, "echo", "one")
    question_id = (await first.read()).question_id
    await ada.regenerate(first.message_id).read()
    other = ada.edit(question_id, "un")
    await other.read()

    async def shown(*, all_branches: bool = False) -> list[str]:
        return [text_of(message) async for message in ada.list_messages(thread.id, all_branches=all_branches)]

    assert await shown() == ["un", "un"]
    assert await shown(all_branches=True) == ["one", "one", "one", "un", "un"]
    await ada.select_version(first.message_id)
    assert await shown() == ["one", "one"]
    thought = message_pb2.Feedback(rating=4)
    assert (await ada.set_feedback(first.message_id, thought)).feedback == thought
    assert not (await ada.set_feedback(first.message_id, None)).HasField("feedback")
    await ada.delete_message(question_id)
    assert await shown() == ["un", "un"]


async def test_a_title_is_written_by_an_operation_that_can_be_watched(ada: Client) -> None:
    thread = await ada.create_thread()
    await ada.send(thread.id, "echo", "Plans for the garden").read()

    async with asyncio.timeout(20):
        # The answer's end is announced to the operations service in the background.
        while not (found := [operation async for operation in ada.list_operations(thread_id=thread.id)]):
            await asyncio.sleep(0.02)
        states = [operation.status async for operation in ada.watch_operation(found[0].id)]

    assert states[-1] == operation_pb2.OPERATION_STATUS_COMPLETED
    assert (await ada.get_operation(found[0].id)).status == operation_pb2.OPERATION_STATUS_COMPLETED
    assert (await ada.get_thread(thread.id)).title == "Plans for the garden"


async def test_threads_are_listed_changed_and_deleted(ada: Client) -> None:
    threads = [await ada.create_thread(f"Thread {number}") for number in range(5)]
    archived = Thread(id=threads[0].id, etag=threads[0].etag, settings=ThreadSettings(is_archived=True))
    await ada.update_thread(archived, ["settings.is_archived"])
    await ada.delete_thread(threads[1].id)

    assert {thread.id async for thread in ada.list_threads(archived=True)} == {threads[0].id}
    assert {thread.id async for thread in ada.list_threads(archived=False, page_size=2)} == {t.id for t in threads[2:]}
    with pytest.raises(Stale):
        await ada.update_thread(archived, ["settings.is_archived"])
    with pytest.raises(NotFound):
        await ada.get_thread(threads[1].id)


async def test_models_are_listed_in_order_and_one_by_one(ada: Client) -> None:
    ids = [model.id async for model in ada.list_models(page_size=4)]

    assert "echo" in ids
    assert len(ids) == len(set(ids)) == 15
    assert (await ada.get_model("echo")).id == "echo"


async def test_refusals_arrive_as_domain_errors(port: int, ada: Client) -> None:
    with pytest.raises(AlreadyExists):
        await ada.register("ada@example.com", "Ada again", PASSWORD)
    with pytest.raises(Unauthenticated):
        await ada.login("ada@example.com", "a wrong password")
    with pytest.raises(Invalid) as invalid:
        await ada.register("no address", "", "short")
    assert {violation.field for violation in invalid.value.violations} == {"username", "display_name", "password"}
    with pytest.raises(NotFound):
        await ada.send("no-such-thread", "echo", "Hello").read()
    async with Client(f"127.0.0.1:{port}") as nobody:
        with pytest.raises(Unauthenticated):
            await nobody.me()


@pytest.mark.parametrize("pace", [20])
async def test_a_busy_thread_refuses_by_default(ada: Client) -> None:
    thread = await ada.create_thread()
    answer = ada.send(thread.id, "echo", QUESTION)
    await read_to(answer, seq=1)

    with pytest.raises(Precondition):
        await ada.send(thread.id, "echo", "And another thing").read()
    await answer.cancel()
