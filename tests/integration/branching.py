"""How somebody talks in branches: what they ask, ask otherwise, have generated anew, and are shown."""

from __future__ import annotations

from typing import Any

from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    EditMessageRequest,
    GetMessageRequest,
    ListMessagesRequest,
    RegenerateMessageRequest,
    SelectVersionRequest,
    SendMessageRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from libs.common.store.port import Query
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.references import REFERENCES
from tests.integration.conftest import House, Person
from tests.integration.planting import documents_of
from tests.integration.watching import watch


async def new_thread(person: Person) -> str:
    # A title of its own: none is asked of the model.
    return (await person.threads.CreateThread(CreateThreadRequest(title="t"))).id


async def ask(person: Person, thread_id: str, content: str, **fields: Any) -> Message:
    """The answer, once it has ended."""
    request = SendMessageRequest(**{"thread_id": thread_id, "model_id": "echo", "content": content, **fields})
    seen = await watch(person.messages.SendMessage(request))
    return await message_of(person, seen.message_id)


async def edit(person: Person, message_id: str, content: str, **fields: Any) -> Message:
    """The answer to the new question, once it has ended."""
    request = EditMessageRequest(message_id=message_id, content=content, **fields)
    seen = await watch(person.messages.EditMessage(request))
    return await message_of(person, seen.message_id)


async def regenerate(person: Person, message_id: str, **fields: Any) -> Message:
    """The new answer, once it has ended."""
    request = RegenerateMessageRequest(message_id=message_id, **fields)
    seen = await watch(person.messages.RegenerateMessage(request))
    return await message_of(person, seen.message_id)


async def select(person: Person, message_id: str) -> Message:
    return await person.messages.SelectVersion(SelectVersionRequest(message_id=message_id))


async def message_of(person: Person, message_id: str) -> Message:
    return await person.messages.GetMessage(GetMessageRequest(id=message_id))


async def listed(person: Person, thread_id: str, **fields: Any) -> list[Message]:
    """All that a list shows, page after page, oldest first."""
    request = ListMessagesRequest(**{"thread_id": thread_id, "oldest_first": True, "page_size": 100, **fields})
    messages: list[Message] = []
    while True:
        page = await person.messages.ListMessages(request)
        messages += page.messages
        if not page.next_page_token:
            return messages
        request.page_token = page.next_page_token


async def texts(person: Person, thread_id: str, **fields: Any) -> list[str]:
    """What they say: a question as it is, an answer of the echo model with its question's words."""
    return [message.content or f"<{message.tokens.text}>" for message in await listed(person, thread_id, **fields)]


async def orphans_of_messages(house: House, thread_id: str) -> list[str]:
    """What a thread's conversation and messages refer to among messages, and is not there."""
    documents = await documents_of(house, "messages")
    query = Query.where(MESSAGES, order="position", thread_id=thread_id)
    messages = await documents.query(query)
    conversation = await documents.get(CONVERSATIONS, thread_id)
    there = {"", *(message.id for message in messages)}
    return [
        f"{document.id}: {id}"
        for reference in REFERENCES.references
        if reference.kind == "message" and reference.spec in (MESSAGES, CONVERSATIONS)
        for document in (messages if reference.spec == MESSAGES else [conversation])
        for id in reference.targets(document)
        if id not in there
    ]
