"""The RPCs of `llmchat.threads.v1.ThreadsService`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    ExportThreadsRequest,
    ExportThreadsResponse,
    GetSharedThreadRequest,
    GetThreadRequest,
    ImportThreadsRequest,
    ImportThreadsResponse,
    ListThreadsRequest,
    ListThreadsResponse,
    PruneThreadsRequest,
    PruneThreadsResponse,
    SearchThreadsRequest,
    SearchThreadsResponse,
    SetGeneratedTitleRequest,
    SharedThread,
    ShareThreadRequest,
    ThreadChange,
    UnshareThreadRequest,
    UpdateThreadRequest,
    WatchThreadsRequest,
)

from libs.common.access.limits import CountedLimits
from libs.common.caching.answers import Answers
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.pages import PageAnswer
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes, change_channel
from libs.common.events.outbox import Outbox
from services.threads import thread as threads
from services.threads.collections import THREADS
from services.threads.exporting import Exporting
from services.threads.importing import Importing
from services.threads.pruning import prune_threads
from services.threads.room import Room
from services.threads.search import search_threads
from services.threads.sharing import read_shared, share_thread, unshare_thread
from services.threads.watching import watch_threads

if TYPE_CHECKING:
    from libs.common.rpc.pipeline import Answer


class ThreadsService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        outbox: Outbox,
        limits: CountedLimits,
        lists: Answers,
        room: Room,
        importing: Importing,
        exporting: Exporting,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._outbox = outbox
        self._limits = limits
        self._lists = lists
        self._room = room
        self._importing = importing
        self._exporting = exporting

    async def CreateThread(self, request: CreateThreadRequest, call: Call) -> Thread:
        async def create(unit: Unit) -> Thread:
            await self._room.require(unit, call.caller.user_id)
            return await threads.create_thread(unit, self._changes, self._outbox, call.caller, request)

        return await self._documents.once(call, request, Thread, create)

    async def GetThread(self, request: GetThreadRequest, call: Call) -> Thread:
        return await read_owned(self._documents, THREADS, call.caller, request.id)

    async def ListThreads(self, request: ListThreadsRequest, call: Call) -> Answer:
        async def read() -> PageAnswer:
            page = await threads.list_threads(self._documents, call.caller, request)
            return page.answer(ListThreadsResponse, "threads")

        # Pages that few ask for twice.
        if request.page_token:
            return await read()
        return await self._lists.answer(change_channel(THREADS.name, call.caller.user_id), request, read)

    async def SearchThreads(self, request: SearchThreadsRequest, call: Call) -> PageAnswer:
        page = await search_threads(self._documents, call.caller, request)
        return page.answer(SearchThreadsResponse, "threads")

    async def ShareThread(self, request: ShareThreadRequest, call: Call) -> Thread:
        async def share(unit: Unit) -> Thread:
            return await share_thread(unit, self._changes, self._outbox, call.caller, request)

        return await self._documents.once(call, request, Thread, share)

    async def UnshareThread(self, request: UnshareThreadRequest, call: Call) -> Thread:
        async def unshare(unit: Unit) -> Thread:
            return await unshare_thread(unit, self._changes, self._outbox, call.caller, request.id)

        return await self._documents.once(call, request, Thread, unshare)

    async def GetSharedThread(self, request: GetSharedThreadRequest, call: Call) -> SharedThread:
        return await read_shared(self._documents, call.caller, request)

    async def PruneThreads(self, request: PruneThreadsRequest, call: Call) -> PruneThreadsResponse:
        most = self._limits.current.max_threads_per_user

        async def prune(unit: Unit) -> PruneThreadsResponse:
            return await prune_threads(unit, self._changes, self._outbox, call.caller, request, most)

        return await self._documents.once(call, request, PruneThreadsResponse, prune)

    async def ImportThreads(self, requests: AsyncIterator[ImportThreadsRequest], call: Call) -> ImportThreadsResponse:
        return await self._importing.run(requests, call)

    def ExportThreads(self, request: ExportThreadsRequest, call: Call) -> AsyncGenerator[ExportThreadsResponse, None]:
        return self._exporting.run(request, call)

    async def UpdateThread(self, request: UpdateThreadRequest, call: Call) -> Thread:
        async def update(unit: Unit) -> Thread:
            return await threads.update_thread(unit, self._changes, call.caller, request)

        return await self._documents.once(call, request, Thread, update)

    async def DeleteThread(self, request: DeleteThreadRequest, call: Call) -> Empty:
        async def delete(unit: Unit) -> Empty:
            await threads.delete_thread(unit, self._changes, self._outbox, call.caller, request)
            return Empty()

        return await self._documents.once(call, request, Empty, delete)

    async def SetGeneratedTitle(self, request: SetGeneratedTitleRequest, call: Call) -> Thread:
        async def set_title(unit: Unit) -> Thread:
            return await threads.set_generated_title(unit, self._changes, call.caller, request)

        return await self._documents.unit(set_title)

    def WatchThreads(self, request: WatchThreadsRequest, call: Call) -> AsyncGenerator[ThreadChange, None]:
        return watch_threads(self._documents, self._changes, call.caller, request.limit)
