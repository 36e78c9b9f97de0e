"""How somebody brings conversations in and takes them out, and what of a thread is the same wherever it came from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Message
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CONVERSATION_FORMAT_CHATGPT,
    CONVERSATION_FORMAT_CLAUDE,
    BeginImport,
    ConversationFormat,
    ExportThreadsRequest,
    GetThreadRequest,
    ImportedThread,
    ImportThreadsRequest,
    ListThreadsRequest,
)

from libs.common.clock import milliseconds
from libs.common.documents.system import OUTBOX
from libs.common.settings import SERVICES
from libs.common.store.port import Query
from tests.integration.branching import listed
from tests.integration.calling import eventually
from tests.integration.conftest import House, Person
from tests.integration.planting import documents_of

CHATGPT, CLAUDE = CONVERSATION_FORMAT_CHATGPT, CONVERSATION_FORMAT_CLAUDE
_FILES = Path(__file__).parents[1] / "data" / "imports"
CHATGPT_FILE = (_FILES / "chatgpt.json").read_bytes()
CLAUDE_FILE = (_FILES / "claude.json").read_bytes()
PIECE = 1000


async def unsettled(house: House) -> int:
    """How many events are not handled yet."""
    return sum([len(await (await documents_of(house, name)).query(Query.by_id(OUTBOX))) for name in SERVICES])


async def settled(house: House) -> None:
    """Returns once every event is handled."""
    await eventually(partial(unsettled, house), lambda events: not events, within=30)


async def steps(
    data: bytes, format: ConversationFormat = CHATGPT, model_id: str = ""
) -> AsyncIterator[ImportThreadsRequest]:
    """`begin`, then the file in pieces."""
    yield ImportThreadsRequest(begin=BeginImport(format=format, model_id=model_id))
    size = max(PIECE, len(data) // 50)
    for start in range(0, len(data), size):
        yield ImportThreadsRequest(data=data[start : start + size])


async def bring_in(
    person: Person, data: bytes | list[Any], format: ConversationFormat = CHATGPT, model_id: str = ""
) -> list[ImportedThread]:
    """What has become of each conversation of a file."""
    file = data if isinstance(data, bytes) else json.dumps(data).encode()
    response = await person.threads.ImportThreads(steps(file, format, model_id))
    return list(response.threads)


async def take_out(person: Person, *thread_ids: str, format: ConversationFormat = CHATGPT) -> bytes:
    """The file of these threads, or of all."""
    request = ExportThreadsRequest(format=format, thread_ids=thread_ids)
    return b"".join([piece.data async for piece in person.threads.ExportThreads(request)])


async def thread_of(person: Person, id: str) -> Thread:
    return await person.threads.GetThread(GetThreadRequest(id=id))


async def threads_of(person: Person) -> list[Thread]:
    return list((await person.threads.ListThreads(ListThreadsRequest(page_size=100))).threads)


def text_of(message: Message) -> str:
    return message.tokens.text if message.role == ROLE_ASSISTANT else message.content


async def shape(person: Person, thread: Thread) -> dict[str, Any]:
    """All of a thread but its ids and models: each message by its place, what it follows, and the active path."""
    everything = await listed(person, thread.id, all_branches=True)
    shown = await listed(person, thread.id)
    place = {message.id: number for number, message in enumerate(everything)} | {"": None}
    return {
        "title": (thread.title, thread.has_title),
        "times": (milliseconds(thread.created_at), milliseconds(thread.updated_at)),
        "tree": [(place[one.parent_id], one.role, text_of(one), milliseconds(one.created_at)) for one in everything],
        "versions": [sorted(place[id] or 0 for id in one.version_ids) for one in everything],
        "active": [place[message.id] for message in shown],
        "total": thread.total_messages,
    }


def gpt(id: str, *said: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A conversation as ChatGPT's file has it."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
    mapping |= {one["id"]: one for one in said}
    return {"title": f"Of {id}", "create_time": 1.7e9, "mapping": mapping, "conversation_id": id, **fields}


def node(
    id: str, parent: str, text: str = "Hello", *, role: str = "user", at: float | None = 1.7e9, **fields: Any
) -> dict[str, Any]:
    """A message of it."""
    message = {
        "id": id,
        "author": {"role": role},
        "create_time": at,
        "content": {"content_type": "text", "parts": [text]},
        "metadata": {"model_slug": "echo"} if role == "assistant" else {},
        "recipient": "all",
    }
    return {"id": id, "message": message | fields, "parent": parent, "children": []}


def chain(messages: int) -> Iterator[dict[str, Any]]:
    """Questions and answers one behind the other."""
    for number in range(messages):
        role = "assistant" if number % 2 else "user"
        parent = f"m{number - 1}" if number else "root"
        yield node(f"m{number}", parent, f"{role} {number}", role=role, at=1.7e9 + number)
