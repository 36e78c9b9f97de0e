"""A shared thread as its readers see it: what was said, and nothing of who said it and how."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_ASSISTANT, ROLE_USER, Feedback, Message
from llmchat.messages.v1.messages_service_pb2 import (
    TEXT_FORMAT_HTML,
    ListSharedMessagesRequest,
    ListSharedMessagesResponse,
    SetFeedbackRequest,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.threads.v1.threads_service_pb2 import DeleteThreadRequest, ShareThreadRequest, UnshareThreadRequest

from tests.integration.branching import ask, edit, new_thread, regenerate, select
from tests.integration.calling import refused
from tests.integration.conftest import House, Person
from tests.integration.importing import CHATGPT_FILE, bring_in, text_of


@pytest.fixture
async def nobody(house: House) -> AsyncIterator[MessagesServiceStub]:
    """Whoever has no more than a token of the thread."""
    async with aio.insecure_channel(house.address) as channel:
        yield MessagesServiceStub(channel)


async def share(person: Person, thread_id: str, *names: str, new_token: bool = False) -> str:
    """The token; public where nobody is named."""
    request = ShareThreadRequest(id=thread_id, is_public=not names, allowed_users=names, new_token=new_token)
    return (await person.threads.ShareThread(request)).sharing.share_token


async def read(stub: object, token: str, **fields: object) -> ListSharedMessagesResponse:
    request = ListSharedMessagesRequest(share_token=token, **fields)  # type: ignore[arg-type]
    response: ListSharedMessagesResponse = await stub.ListSharedMessages(request)  # type: ignore[attr-defined]
    return response


async def test_whoever_has_the_token_reads_what_was_said(
    house: House, anna: Person, nobody: MessagesServiceStub
) -> None:
    thread_id = await new_thread(anna)
    first = await ask(anna, thread_id, "one two")
    await ask(anna, thread_id, "three")
    page = await read(nobody, await share(anna, thread_id))

    assert [(one.role, text_of(one)) for one in page.messages] == [
        (ROLE_USER, "one two"),
        (ROLE_ASSISTANT, "one two"),
        (ROLE_USER, "three"),
        (ROLE_ASSISTANT, "three"),
    ]
    assert page.messages[1].id == first.id
    assert [one.parent_id for one in page.messages] == ["", *(one.id for one in page.messages[:-1])]
    assert {(one.model_id, one.status) for one in page.messages} == {("echo", MESSAGE_STATUS_COMPLETE)}
    assert [one.position for one in page.messages] == [1, 2, 3, 4]
    assert not page.next_page_token


async def test_nothing_private_is_in_the_bytes(anna: Person, nobody: MessagesServiceStub) -> None:
    thread_id = await new_thread(anna)
    answer = await ask(anna, thread_id, "one", system_prompt="Say nothing of Rosebud.", temperature=0.25)
    await anna.messages.SetFeedback(SetFeedbackRequest(message_id=answer.id, feedback=Feedback(comments="Xanadu")))
    taken, *_ = await bring_in(anna, CHATGPT_FILE)

    for id in (thread_id, taken.thread_id):
        page = await read(nobody, await share(anna, id))
        assert page.messages
        for word in (anna.user_id, "Rosebud", "Xanadu", "chatgpt", id):
            assert word.encode() not in page.SerializeToString()
        for message in page.messages:
            assert {field.name for field, _ in message.ListFields()} <= {
                *("id", "model_id", "role", "content", "tokens", "status", "created_at", "position", "parent_id")
            }


async def test_every_field_of_a_message_is_shown_or_not_on_purpose() -> None:
    """One that is added to messages is private until somebody says that it is not."""
    shown = {*("id", "model_id", "role", "content", "tokens", "html", "status", "created_at", "position", "parent_id")}
    private = {
        *("thread_id", "user_id", "is_streaming", "temperature", "system_prompt", "context_tokens", "total_tokens"),
        *("generation_started_at", "generation_completed_at", "error", "updated_at", "generation", "question_id"),
        *("estimated_completion_time", "feedback", "branch", "version_of", "version_ids", "input_tokens"),
        *("estimated_tokens", "cost_nanos", "imported_from", "etag", "schema_version"),
    }

    assert {field.name for field in Message.DESCRIPTOR.fields} == shown | private


async def test_it_is_the_active_path_that_is_shown(anna: Person, nobody: MessagesServiceStub) -> None:
    thread_id = await new_thread(anna)
    first = await ask(anna, thread_id, "one")
    await regenerate(anna, first.id)
    await edit(anna, first.question_id, "uno")
    token = await share(anna, thread_id)

    assert [text_of(one) for one in (await read(nobody, token)).messages] == ["uno", "uno"]
    await select(anna, first.question_id)
    page = await read(nobody, token)
    assert [text_of(one) for one in page.messages] == ["one", "one"]
    assert not any(one.version_ids or one.version_of for one in page.messages)


async def test_it_comes_page_by_page_and_as_html(anna: Person, nobody: MessagesServiceStub) -> None:
    thread_id = await new_thread(anna)
    for number in range(3):
        await ask(anna, thread_id, f"*{number}*")
    token = await share(anna, thread_id)

    seen, page_token = [], ""
    while True:
        page = await read(nobody, token, page_size=4, page_token=page_token, count_total=True, format=TEXT_FORMAT_HTML)
        assert page.total_size == 6
        seen += [one.html.strip() for one in page.messages]
        if not (page_token := page.next_page_token):
            break
    assert seen == [f"<p><em>{number}</em></p>" for number in (0, 0, 1, 1, 2, 2)]


async def test_one_that_is_not_public_is_read_by_those_who_are_named(
    house: House, anna: Person, nobody: MessagesServiceStub
) -> None:
    ben, carla = await house.person(), await house.person()
    thread_id = await new_thread(anna)
    await ask(anna, thread_id, "one")
    token = await share(anna, thread_id, ben.user_id)

    for reader in (anna, ben):
        assert len((await read(reader.messages, token)).messages) == 2
    for stranger in (carla.messages, nobody):
        with refused(StatusCode.NOT_FOUND):
            await read(stranger, token)


@pytest.mark.parametrize("ending", ["unshared", "another token", "deleted"])
async def test_a_token_that_is_good_for_nothing_any_more_shows_nothing(
    anna: Person, nobody: MessagesServiceStub, ending: str
) -> None:
    thread_id = await new_thread(anna)
    await ask(anna, thread_id, "one")
    token = await share(anna, thread_id)
    page = await read(nobody, token, page_size=1)

    if ending == "unshared":
        await anna.threads.UnshareThread(UnshareThreadRequest(id=thread_id))
    elif ending == "deleted":
        await anna.threads.DeleteThread(DeleteThreadRequest(id=thread_id))
    else:
        await share(anna, thread_id, new_token=True)

    for page_token in ("", page.next_page_token):
        with refused(StatusCode.NOT_FOUND):
            await read(nobody, token, page_token=page_token)


async def test_a_guessed_token_is_not_found_and_not_repeated(nobody: MessagesServiceStub) -> None:
    with refused(StatusCode.NOT_FOUND) as refusal:
        await read(nobody, "guessed-token")

    assert "guessed-token" not in str(refusal.error) + str(refusal.error.metadata)


async def test_a_page_token_is_good_for_the_thread_that_gave_it(anna: Person, nobody: MessagesServiceStub) -> None:
    tokens = []
    for _ in range(2):
        thread_id = await new_thread(anna)
        await ask(anna, thread_id, "one")
        tokens.append(await share(anna, thread_id))
    page = await read(nobody, tokens[0], page_size=1)

    with refused(StatusCode.INVALID_ARGUMENT):
        await read(nobody, tokens[1], page_token=page.next_page_token)


async def test_an_empty_thread_has_no_messages(anna: Person, nobody: MessagesServiceStub) -> None:
    assert not (await read(nobody, await share(anna, await new_thread(anna)))).messages
