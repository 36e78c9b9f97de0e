"""ImportThreads: conversations that were held elsewhere, each as a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.messages.v1.messages_service_pb2 import ImportedMessage, ImportMessagesRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    BeginImport,
    ImportedThread,
    ImportThreadsRequest,
    ImportThreadsResponse,
)
from llmchat.users.v1.users_service_pb2 import GetUserSettingsRequest
from ulid import ULID

from libs.common.access.live_config import LiveConfig
from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.tombstones import is_buried, require_alive
from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted, Invalid, NotFound, Precondition
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.threads.collections import THREADS
from services.threads.formats.conversation import Conversation, Said
from services.threads.formats.files import FORMATS, Format, read_conversations
from services.threads.removal import delete
from services.threads.room import Room
from services.threads.thread import STAND_IN_TITLE, add, save

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

MOST_BYTES = 256 * 2**20
# Of a file, what is held in memory while it comes.
_SPOOLED = 2**20
# Files that a process reads at the same time: each holds a conversation in memory.
_AT_ONCE = 4
# Messages and bytes of text that go to the messages service at a time.
_PAGE, _PAGE_BYTES = 500, 2 * 2**20
_MOST_TITLE = 200
# Characters, as the messages service takes them.
_MOST_TEXT = 250_000
# What one conversation may be refused for while others go on.
_REFUSALS = (Exhausted, Invalid, NotFound, Precondition)


class Importing:
    """Takes files of conversations over. What a conversation becomes has ids that are derived from where it comes from,
    so that an import which is made again finds what is there, and goes on with what is half there.
    """

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        outbox: Outbox,
        config: LiveConfig,
        room: Room,
        catalog: CatalogServiceAsyncStub,
        users: UsersServiceAsyncStub,
        messages: MessagesServiceAsyncStub,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._outbox = outbox
        self._config = config
        self._room = room
        self._catalog = catalog
        self._users = users
        self._messages = messages
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, requests: AsyncIterator[ImportThreadsRequest], call: Call) -> ImportThreadsResponse:
        """What has become of each conversation. The whole file is read once before any of it is taken over.

        Raises:
            Invalid: the stream does not begin with `begin`, or the file is none of its format (reason
                MALFORMED_IMPORT).
            NotFound: there is no model as `begin` names it, or the person's account is deleted.
            Exhausted: the file is too large, or has too many conversations (reason IMPORT_TOO_LARGE).
            Unavailable: a service is away; what has been taken over by then stays.
        """
        begin = await _begun(requests)
        if begin.model_id:
            await self._catalog.GetModel(GetModelRequest(id=begin.model_id))
        known: dict[str, bool] = {}
        with SpooledTemporaryFile(max_size=_SPOOLED) as file:
            await _receive(requests, file)
            async with self._turns:
                async for _ in _conversations(file, FORMATS[begin.format]):
                    pass
                response = ImportThreadsResponse()
                async for conversation in _conversations(file, FORMATS[begin.format]):
                    response.threads.append(await self._take_over(call, begin, conversation, known))
                return response

    async def _take_over(
        self, call: Call, begin: BeginImport, conversation: Conversation, known: dict[str, bool]
    ) -> ImportedThread:
        name = FORMATS[begin.format].name
        taken = ImportedThread(source_id=conversation.source_id)
        try:
            self._require_fitting(conversation)
            model_id = await self._model_of(begin, conversation, known) if conversation.messages else ""
            thread = await self._open(call, conversation, f"{name}:{conversation.source_id}")
        except _REFUSALS as refusal:
            taken.error = refusal.text
            return taken
        taken.thread_id = thread.id
        if not thread.is_importing or thread.id == conversation.source_id:
            taken.existed = True
            return taken
        conversation = conversation.dated(milliseconds(thread.created_at))
        try:
            for request in _pages(thread.id, name, model_id, conversation):
                await self._messages.ImportMessages(request)
        except _REFUSALS as refusal:
            await self._documents.unit(partial(self._remove, thread.id))
            taken.thread_id, taken.error = "", refusal.text
            return taken
        await self._documents.unit(partial(self._finish, thread.id))
        taken.messages = len(conversation.messages)
        return taken

    def _require_fitting(self, conversation: Conversation) -> None:
        most = self._config.current.limits.max_messages_per_thread
        if most and len(conversation.messages) > most:
            text = f"it has {len(conversation.messages)} messages, and a thread may have {most}"
            raise Exhausted(text, reason="TOO_MANY_MESSAGES")
        longest = max((len(said.text) for said in conversation.messages), default=0)
        if longest > _MOST_TEXT:
            text = f"a message of it has {longest} characters, and may have {_MOST_TEXT}"
            raise Exhausted(text, reason="MESSAGE_TOO_LONG")

    async def _model_of(self, begin: BeginImport, conversation: Conversation, known: dict[str, bool]) -> str:
        """The model that the messages are put under; `known` is what the catalog has said of models."""
        slug = conversation.model
        if slug and slug not in known:
            known[slug] = await self._has_model(slug)
        if slug and known[slug]:
            return slug
        if begin.model_id:
            return begin.model_id
        settings = await self._users.GetUserSettings(GetUserSettingsRequest())
        return settings.default_model or self._config.current.defaults.model

    async def _has_model(self, id: str) -> bool:
        try:
            await self._catalog.GetModel(GetModelRequest(id=id))
        except (NotFound, Invalid):
            return False
        return True

    async def _open(self, call: Call, conversation: Conversation, imported_from: str) -> Thread:
        """The thread of the conversation: the one that it is a file of, the one that it became before, or a new one."""
        user_id = call.caller.user_id
        own = await self._documents.find(THREADS, conversation.source_id) if conversation.source_id else None
        if own is not None and own.user_id == user_id:
            return own
        attempt = 0
        while await is_buried(self._documents, "thread", _thread_id(user_id, imported_from, attempt)):
            attempt += 1
        id = _thread_id(user_id, imported_from, attempt)

        async def create(unit: Unit) -> Thread:
            existing = await unit.find(THREADS, id)
            if existing is not None:
                return existing
            await self._room.require(unit, user_id)
            await require_alive(unit, "user", user_id)
            await require_alive(unit, "thread", id)
            title = conversation.title[:_MOST_TITLE]
            dated = conversation.dated(unit.now)
            thread = Thread(
                id=id,
                user_id=user_id,
                title=title if title.strip() else STAND_IN_TITLE,
                has_title=bool(title.strip()),
                created_at=timestamp(min(dated.created_at, unit.now)),
                updated_at=timestamp(min(dated.updated_at, unit.now)),
                imported_from=imported_from,
                is_importing=True,
            )
            return add(unit, self._changes, self._outbox, thread)

        return await self._documents.unit(create)

    async def _finish(self, thread_id: str, unit: Unit) -> None:
        thread = await unit.find(THREADS, thread_id)
        if thread is not None and thread.is_importing:
            thread.is_importing = False
            save(unit, self._changes, thread)

    async def _remove(self, thread_id: str, unit: Unit) -> None:
        thread = await unit.find(THREADS, thread_id)
        if thread is not None:
            await delete(unit, self._changes, self._outbox, thread)


async def _begun(requests: AsyncIterator[ImportThreadsRequest]) -> BeginImport:
    async for request in requests:
        if request.HasField("begin"):
            return request.begin
        break
    raise Invalid.field("begin", "must come first")


async def _receive(requests: AsyncIterator[ImportThreadsRequest], file: IO[bytes]) -> None:
    size = 0
    async for request in requests:
        if request.WhichOneof("step") != "data":
            raise Invalid.field("begin", "must come first, and once")
        size += len(request.data)
        if size > MOST_BYTES:
            raise Exhausted(f"a file may have {MOST_BYTES >> 20} MiB", reason="IMPORT_TOO_LARGE")
        await asyncio.to_thread(file.write, request.data)


async def _conversations(file: IO[bytes], format: Format) -> AsyncIterator[Conversation]:
    """The file's conversations, each read in a thread."""
    conversations: Iterator[Conversation] = read_conversations(file, format)
    while (conversation := await asyncio.to_thread(next, conversations, None)) is not None:
        yield conversation


def _pages(thread_id: str, format: str, model_id: str, conversation: Conversation) -> Iterator[ImportMessagesRequest]:
    """What the messages service is asked, in order."""
    ids = {said.id: _import_id(thread_id, said) for said in conversation.messages}
    request, size = ImportMessagesRequest(thread_id=thread_id), 0
    for said in conversation.messages:
        length = len(said.text.encode())
        if request.messages and (len(request.messages) >= _PAGE or size + length > _PAGE_BYTES):
            yield request
            request, size = ImportMessagesRequest(thread_id=thread_id), 0
        size += length
        message = ImportedMessage(
            import_id=ids[said.id],
            parent_import_id=ids.get(said.parent_id, ""),
            model_id=model_id,
            role=said.role,
            text=said.text,
            created_at=timestamp(said.created_at),
            imported_from=f"{format}:{said.id}",
        )
        request.messages.append(message)
    if request.messages:
        request.active_import_ids.append(ids[conversation.active_id])
        yield request


def _thread_id(user_id: str, imported_from: str, attempt: int) -> str:
    """The same for the same conversation of the same person; another one for each time that they have deleted it."""
    return f"{THREADS.id_prefix}_{_ulid(_digest(user_id, imported_from, str(attempt))[:16])}"


def _import_id(thread_id: str, said: Said) -> str:
    return _ulid(said.created_at.to_bytes(6) + _digest(thread_id, said.id)[:10])


def _ulid(digits: bytes) -> str:
    return str(ULID.from_bytes(digits)).lower()


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
