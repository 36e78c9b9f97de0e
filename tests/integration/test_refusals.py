"""Wrong input to the messages service: a clear status, and nothing of it is stored."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.messages_service_pb2 import (
    CancelGenerationRequest,
    GetMessageRequest,
    ListMessagesRequest,
    SendMessageRequest,
    StreamTokensRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from tests.integration.calling import refused
from tests.integration.conftest import House, Person
from tests.integration.tables import tables
from tests.integration.watching import watch


@pytest.fixture
async def thread_id(anna: Person) -> str:
    return (await anna.threads.CreateThread(CreateThreadRequest(title="t"))).id


def asking(thread_id: str, content: str, **fields: Any) -> SendMessageRequest:
    return SendMessageRequest(thread_id=thread_id, content=content, **{"model_id": "echo", **fields})


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"content": "x" * 100_001}, StatusCode.INVALID_ARGUMENT, "content"),
        ({"content": "𝕏" * 100_001}, StatusCode.INVALID_ARGUMENT, "content"),
        ({"content": ""}, StatusCode.INVALID_ARGUMENT, "content"),
        ({"temperature": 1.5}, StatusCode.INVALID_ARGUMENT, "temperature"),
        ({"temperature": float("nan")}, StatusCode.INVALID_ARGUMENT, "temperature"),
        ({"busy_policy": 9}, StatusCode.INVALID_ARGUMENT, "busy_policy"),
        ({"system_prompt": "x" * 2001}, StatusCode.INVALID_ARGUMENT, "system_prompt"),
        ({"request_id": "x" * 101}, StatusCode.INVALID_ARGUMENT, "request_id"),
        ({"model_id": "no-such-model"}, StatusCode.NOT_FOUND, ""),
        ({"model_id": "gemma2-2b-local"}, StatusCode.FAILED_PRECONDITION, ""),
    ],
    ids=lambda value: f"{value!r:.30}",
)
async def test_nothing_is_stored(
    house: House, anna: Person, thread_id: str, change: dict[str, Any], code: StatusCode, field: str
) -> None:
    before = everything(house)
    with refused(code) as refusal:
        await watch(anna.messages.SendMessage(asking(thread_id, **{"content": "fine", "request_id": "r", **change})))
    if field:
        assert refusal.fields == {field}
    if code is StatusCode.FAILED_PRECONDITION:
        assert refusal.error.reason == "MODEL_UNAVAILABLE"
    assert everything(house) == before
    assert (await watch(anna.messages.SendMessage(asking(thread_id, "fine", request_id="r")))).text == "fine"


async def test_every_violation_is_named_at_once(house: House, anna: Person) -> None:
    before = everything(house)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await watch(
            anna.messages.SendMessage(asking("", "x" * 100_001, model_id="", temperature=-1, system_prompt="x" * 2001))
        )
    assert refusal.fields == {"thread_id", "model_id", "content", "temperature", "system_prompt"}
    assert everything(house) == before


async def test_what_is_anothers_or_nobodys_is_not_found(house: House, anna: Person, thread_id: str) -> None:
    seen = await watch(anna.messages.SendMessage(asking(thread_id, "mine")))
    bert = await house.person()
    before = everything(house)
    nothing = f"msg_{uuid.uuid4().hex}"
    texts = set()
    for message_id, other_thread in ((seen.message_id, thread_id), (nothing, f"thread_{uuid.uuid4().hex}")):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await watch(bert.messages.SendMessage(asking(other_thread, "yours?")))
        texts.add(refusal.error.text.replace(other_thread, "…"))
        with refused(StatusCode.NOT_FOUND):
            await bert.messages.ListMessages(ListMessagesRequest(thread_id=other_thread))
        with refused(StatusCode.NOT_FOUND):
            await bert.messages.GetMessage(GetMessageRequest(id=message_id))
        with refused(StatusCode.NOT_FOUND):
            await bert.messages.CancelGeneration(CancelGenerationRequest(message_id=message_id))
        with refused(StatusCode.NOT_FOUND):
            await watch(bert.messages.StreamTokens(StreamTokensRequest(message_id=message_id)))
    assert len(texts) == 1, "what is another's reads as what is not there"
    assert everything(house) == before


@pytest.mark.parametrize("page_size", [-1, 101])
async def test_a_page_size_out_of_range(anna: Person, thread_id: str, page_size: int) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id, page_size=page_size))
    assert refusal.fields == {"page_size"}


async def test_a_page_token_that_this_list_did_not_give(house: House, anna: Person, thread_id: str) -> None:
    await watch(anna.messages.SendMessage(asking(thread_id, "one")))
    other = (await anna.threads.CreateThread(CreateThreadRequest(title="other"))).id
    await watch(anna.messages.SendMessage(asking(other, "two")))
    first = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id, page_size=1))
    token = first.next_page_token
    edited = ("B" if token[0] == "A" else "A") + token[1:]
    for request in (
        ListMessagesRequest(thread_id=thread_id, page_token=edited),
        ListMessagesRequest(thread_id=thread_id, page_token="what?"),
        ListMessagesRequest(thread_id=thread_id, page_token="ü" * 9),
        ListMessagesRequest(thread_id=other, page_token=token),
        ListMessagesRequest(thread_id=thread_id, page_token=token, model_id="echo"),
        ListMessagesRequest(thread_id=thread_id, page_token=token, oldest_first=True),
    ):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await anna.messages.ListMessages(request)
        assert refusal.error.reason == "INVALID_PAGE_TOKEN"
    rest = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id, page_token=token))
    assert [message.content for message in rest.messages] == ["one"]


@pytest.mark.parametrize("size", [17_000, 1_000_000])
async def test_huge_metadata(house: House, anna: Person, thread_id: str, size: int) -> None:
    before = everything(house)
    metadata = (("x-large", "x" * size),)
    with pytest.raises(aio.AioRpcError) as caught:
        await watch(anna.messages.SendMessage(asking(thread_id, "fine"), metadata=metadata))
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert everything(house) == before


def everything(house: House) -> dict[str, dict[str, int]]:
    """The revision of every document that the messages service holds; events and migrations go on by themselves."""
    folder = Path(house.process.settings.store_url.removeprefix("sqlite:///"))
    by_themselves = ("outbox", "inbox", "migrations", "locks")
    return {name: rows for name, rows in tables(folder, "messages").items() if name not in by_themselves}
