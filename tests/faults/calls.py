"""What is called on a server that may be killed at any moment."""

from __future__ import annotations

from collections.abc import Awaitable

from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_ENQUEUE, ListMessagesRequest, SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from tests.integration.conftest import Person

# Everything that a dead server was doing is ended by its successor within this many seconds.
DEADLINE = 20.0


async def messages_of(person: Person, thread_id: str) -> list[Message]:
    """All of them, oldest first."""
    request = ListMessagesRequest(thread_id=thread_id, page_size=100, oldest_first=True)
    messages: list[Message] = []
    while True:
        page = await person.messages.ListMessages(request)
        messages += page.messages
        if not page.next_page_token:
            return messages
        request.page_token = page.next_page_token


def all_ended(messages: list[Message]) -> bool:
    ended = (MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, MESSAGE_STATUS_CANCELLED)
    return all(message.status in ended for message in messages)


async def new_thread(person: Person, *, title: str = "t") -> str:
    return (await person.threads.CreateThread(CreateThreadRequest(title=title))).id


def asking(thread_id: str, text: str, *, request_id: str = "") -> SendMessageRequest:
    return SendMessageRequest(
        thread_id=thread_id, model_id="echo", content=text, busy_policy=BUSY_POLICY_ENQUEUE, request_id=request_id
    )


def words(count: int) -> str:
    return " ".join(f"𝕏{number}" for number in range(count))


async def unless_killed(call: Awaitable[object]) -> bool:
    """Whether the server lived to answer."""
    try:
        await call
    except aio.AioRpcError as error:
        if error.code() is not StatusCode.UNAVAILABLE:
            raise
        return False
    return True
