"""ExportThreads: a person's threads as a file that ImportThreads takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    ROLE_ASSISTANT,
    ROLE_USER,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import ExportThreadsRequest, ExportThreadsResponse

from libs.common.audit import audit
from libs.common.clock import milliseconds
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.places import place_of
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.threads.collections import THREADS
from services.threads.formats.conversation import Conversation, Node, arranged
from services.threads.formats.files import FORMATS

if TYPE_CHECKING:
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub

_PIECE_BYTES = 64 * 1024
_THREADS, _MESSAGES = 50, 100
_ENDED = frozenset((MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, MESSAGE_STATUS_CANCELLED))


class Exporting:
    """Writes threads out; a thread's messages are held at a time."""

    def __init__(self, documents: Documents, outbox: Outbox, messages: MessagesServiceAsyncStub) -> None:
        self._documents = documents
        self._outbox = outbox
        self._messages = messages

    async def run(self, request: ExportThreadsRequest, call: Call) -> AsyncGenerator[ExportThreadsResponse, None]:
        """The pieces of the file; that it is exported is on record before the first of them.

        What is written meanwhile is in it as it was or as it became. A thread that is deleted meanwhile may be missing.

        Raises:
            NotFound: one of the threads that are named is none of the caller's.
            Unavailable: the messages service is away.
        """
        user_id = call.caller.user_id
        for id in request.thread_ids:
            await read_owned(self._documents, THREADS, call.caller, id)

        async def record(unit: Unit) -> None:
            audit(unit, self._outbox, "thread.export", "user", user_id, user_id=user_id)

        await self._documents.unit(record)
        piece = bytearray()
        async for text in self._texts(request, user_id):
            # Below the size of a piece by itself, but for messages that are longer.
            piece += text.encode()
            while len(piece) >= _PIECE_BYTES:
                yield ExportThreadsResponse(data=bytes(piece[:_PIECE_BYTES]))
                del piece[:_PIECE_BYTES]
        yield ExportThreadsResponse(data=bytes(piece))

    async def _texts(self, request: ExportThreadsRequest, user_id: str) -> AsyncIterator[str]:
        form = FORMATS[request.format]
        yield "["
        separator = ""
        threads = self._named(request.thread_ids) if request.thread_ids else self._all(user_id)
        async for thread in threads:
            try:
                conversation = await self._conversation(thread, has_branches=form.has_branches)
            except NotFound:
                continue
            yield separator
            for text in form.write(conversation):
                yield text
            separator = ",\n"
        yield "]\n"

    async def _named(self, ids: Iterable[str]) -> AsyncIterator[Thread]:
        for id in dict.fromkeys(ids):
            thread = await self._documents.find(THREADS, id)
            if thread is not None:
                yield thread

    async def _all(self, user_id: str) -> AsyncIterator[Thread]:
        """The one that was changed longest ago first: a change only ever moves a thread towards the end."""
        query = Query.where(THREADS, order="changed_at", limit=_THREADS, user_id=user_id)
        told: set[str] = set()
        while True:
            page = await self._documents.store.query(query)
            for thread in (stored.message for stored in page):
                if thread.id not in told:
                    told.add(thread.id)
                    yield thread
            if len(page) < _THREADS:
                return
            query = replace(query, after=place_of(query, page[-1]))

    async def _conversation(self, thread: Thread, *, has_branches: bool) -> Conversation:
        nodes: list[Node] = []
        previous: dict[str, str] = {}
        async for message in self._messages_of(thread.id, all_branches=has_branches, oldest_first=True):
            before = nodes[-1].id if nodes else ""
            parent_id = _parent_of(message, previous) if has_branches else before
            if not message.branch:
                previous[message.model_id] = message.id
            nodes.append(_node(message, parent_id))
        there = {node.id for node in nodes}
        active_id = ""
        async for message in self._messages_of(thread.id, all_branches=False, oldest_first=False):
            if message.id in there:
                active_id = message.id
                break
        return arranged(
            thread.id,
            # What follows a message that was written between two pages would hang on nothing.
            [node if node.parent_id in there else replace(node, parent_id="") for node in nodes],
            source_id=thread.id,
            title=thread.title if thread.has_title else "",
            created_at=milliseconds(thread.created_at),
            updated_at=milliseconds(thread.updated_at),
            active_id=active_id,
        )

    async def _messages_of(self, thread_id: str, *, all_branches: bool, oldest_first: bool) -> AsyncIterator[Message]:
        request = ListMessagesRequest(
            thread_id=thread_id, page_size=_MESSAGES, oldest_first=oldest_first, all_branches=all_branches
        )
        while True:
            page = await self._messages.ListMessages(request)
            for message in page.messages:
                yield message
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _parent_of(message: Message, previous: dict[str, str]) -> str:
    """What it follows; `previous` is the last message on the first branch of each model's conversation."""
    if message.parent_id or message.question_id:
        return message.parent_id or message.question_id
    # From before parents were kept, when there was one branch alone; or the first one.
    return "" if message.branch else previous.get(message.model_id, "")


def _node(message: Message, parent_id: str) -> Node:
    is_answer = message.role == ROLE_ASSISTANT
    is_shown = message.role in (ROLE_USER, ROLE_ASSISTANT) and message.status in _ENDED
    text = message.tokens.text if is_answer else message.content
    return Node(
        message.id,
        parent_id,
        message.role,
        text if is_shown else "",
        milliseconds(message.created_at),
        message.model_id if is_answer else "",
    )
