"""ImportMessages: what was said elsewhere, put behind what a thread has, as the tree that it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmchat.events.v1.events_pb2 import MessagesImported
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_ASSISTANT, ROLE_USER, Message
from llmchat.messages.v1.messages_service_pb2 import ImportedMessage, ImportMessagesRequest, ImportMessagesResponse
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest

from libs.common.access.limits import CountedLimits
from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.portions import in_portions
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, NotFound
from libs.common.events.outbox import Outbox
from libs.common.store.port import Cursor, Query
from libs.common.token_text import join_tokens
from services.messages.branches import add, find_head, is_end, is_removed, select
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.models import Models
from services.messages.rules import known_conversation, require_own, require_room

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

_PAGE = 50
# Characters of one token of an answer that came without any.
_TOKEN = 1000


class Importing:
    """Takes messages over in portions. Each is one commit with its branches and the event that tells of it, so that
    one which is repeated, or goes on where another broke, adds what is missing and counts nothing twice.
    """

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        models: Models,
        threads: ThreadsServiceAsyncStub,
        limits: CountedLimits,
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._models = models
        self._threads = threads
        self._limits = limits

    async def run(self, call: Call, request: ImportMessagesRequest) -> ImportMessagesResponse:
        """Stores them; how many were not there yet.

        Raises:
            NotFound: no such thread of the person for whom the service calls, or no such model; or a message follows
                one that was deleted.
            Invalid: a message follows none that is there, has no time, or is neither a question nor an answer.
            Exhausted: the thread is full, or has too many branches (reasons TOO_MANY_MESSAGES, TOO_MANY_BRANCHES).
        """
        for place, message in enumerate(request.messages):
            _require_sound(place, message)
        for model_id in {message.model_id for message in request.messages}:
            await self._models.get(model_id)
        if await known_conversation(self._documents, call, request.thread_id) is None:
            await self._threads.GetThread(GetThreadRequest(id=request.thread_id))
        portions = list(in_portions(request.messages))
        imported = 0
        for number, portion in enumerate(portions, 1):
            active = request.active_import_ids if number == len(portions) else ()
            imported += await self._documents.unit(partial(self._store, call, request.thread_id, portion, active))
        return ImportMessagesResponse(imported=imported)

    async def _store(
        self, call: Call, thread_id: str, portion: Sequence[ImportedMessage], active: Sequence[str], unit: Unit
    ) -> int:
        conversation = await unit.find(CONVERSATIONS, thread_id)
        if conversation is None:
            conversation = Conversation(id=thread_id, user_id=call.caller.user_id)
        require_own(conversation, call)
        fresh = {one.import_id: one for one in portion if await _find(unit, thread_id, one.import_id) is None}
        if not fresh:
            return 0
        await require_alive(unit, "user", call.caller.user_id)
        require_room(conversation, len(fresh), self._limits.current.max_messages_per_thread)
        added: dict[str, Message] = {}
        for one in fresh.values():
            message = await _placed(unit, conversation, one, added)
            added[message.id] = unit.create(MESSAGES, message)
        for import_id in active:
            last = await _find(unit, thread_id, import_id)
            if last is None:
                raise Invalid.field("active_import_ids", f"{import_id} is no message of the thread")
            select(conversation, last)
        conversation.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(CONVERSATIONS, conversation)
        told = MessagesImported(thread_id=thread_id, user_id=conversation.user_id)
        for message in added.values():
            told.messages[message.model_id] += 1
        told.last_message_at.CopyFrom(max((message.created_at for message in added.values()), key=milliseconds))
        self._outbox.emit(unit, "messages.imported", thread_id, told)
        return len(added)


def _require_sound(place: int, message: ImportedMessage) -> None:
    if message.role not in (ROLE_USER, ROLE_ASSISTANT):
        raise Invalid.field(f"messages[{place}].role", "must be a question's or an answer's")
    if not message.text:
        raise Invalid.field(f"messages[{place}].text", "must not be empty")
    if not message.HasField("created_at"):
        raise Invalid.field(f"messages[{place}].created_at", "must be set")


async def _find(unit: Unit, thread_id: str, import_id: str) -> Message | None:
    message = await unit.find(MESSAGES, _id(import_id))
    if message is not None and message.thread_id != thread_id:
        raise Invalid.field("messages", f"{import_id} is another thread's")
    return message


async def _placed(
    unit: Unit, conversation: Conversation, one: ImportedMessage, added: Mapping[str, Message]
) -> Message:
    """The message behind the one that it follows and, by position, behind all that the thread has; not staged yet."""
    parent = None
    if one.parent_import_id:
        parent = await _find(unit, conversation.id, one.parent_import_id)
        if parent is None or parent.model_id != one.model_id:
            raise Invalid.field("messages", f"{one.import_id} follows none of its model's in the thread")
        if is_removed(conversation, parent):
            raise NotFound(MESSAGES.kind, parent.id)
    await find_head(unit, conversation, one.model_id)
    sibling_id = ""
    if not is_end(conversation, one.model_id, parent):
        sibling_id = await _follower(unit, conversation, one.model_id, parent, added)
    id = _id(one.import_id)
    conversation.last_position += 1
    message = Message(
        id=id,
        thread_id=conversation.id,
        model_id=one.model_id,
        user_id=conversation.user_id,
        role=one.role,
        status=MESSAGE_STATUS_COMPLETE,
        created_at=one.created_at,
        updated_at=one.created_at,
        position=conversation.last_position,
        parent_id=parent.id if parent is not None else "",
        branch=add(conversation, one.model_id, parent, sibling_id, id),
        imported_from=one.imported_from,
    )
    if one.role == ROLE_ASSISTANT:
        pieces = (one.text[start : start + _TOKEN] for start in range(0, len(one.text), _TOKEN))
        message.tokens.CopyFrom(join_tokens(pieces))
        if parent is not None and parent.role == ROLE_USER:
            message.question_id = parent.id
    else:
        message.content = one.text
    return message


async def _follower(
    unit: Unit, conversation: Conversation, model_id: str, parent: Message | None, added: Mapping[str, Message]
) -> str:
    """What follows `parent` on its own branch, stored or `added`; None: the first message of all. Empty where that was
    deleted.
    """
    branch, position = (parent.branch, parent.position) if parent is not None else (0, 0)
    query = Query.where(
        MESSAGES,
        order="position",
        # Strictly after every message at it.
        after=Cursor(position + 1, ""),
        limit=_PAGE,
        thread_id=conversation.id,
        model_id=model_id,
    )
    while True:
        page = await unit.query(query)
        said = page if len(page) == _PAGE else [*page, *added.values()]
        for message in said:
            is_after = message.model_id == model_id and message.position > position
            if is_after and message.branch == branch and not is_removed(conversation, message):
                return message.id
        if len(page) < _PAGE:
            return ""
        query = replace(query, after=Cursor(page[-1].position, page[-1].id))


def _id(import_id: str) -> str:
    return f"{MESSAGES.id_prefix}_{import_id}"
