"""Threads, operations and the catalog in one process, with a stand-in for the messages service, and who calls there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.events.v1.events_pb2 import GenerationFinished
from llmchat.messages.v1 import messages_service_pb2
from llmchat.messages.v1.messages_service_pb2 import (
    CheckProviderRequest,
    CheckProviderResponse,
    PullModelRequest,
    PullModelResponse,
    SuggestTitleRequest,
    SuggestTitleResponse,
)
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_CANCELLED,
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import GetOperationRequest, ListOperationsRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.context import Call, Caller
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from libs.common.migrations.loading import Migrations
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.catalog.bootstrap import bootstrap as catalog_bootstrap
from services.operations.bootstrap import bootstrap as operations_bootstrap
from services.threads.bootstrap import bootstrap as threads_bootstrap
from tests.integration.calling import NOBODY, SignedIn, eventually
from tests.standins.partial import filled

ENDED = (OPERATION_STATUS_COMPLETED, OPERATION_STATUS_FAILED, OPERATION_STATUS_CANCELLED)


class StandInMessages:
    """Stands in for the messages service: it suggests titles and fetches models as a test says, and tells of
    generations that ended.

    Attributes:
        failures: What the next suggestions and fetches fail with, one each.
        may_answer: Cleared: suggestions wait, and fetches in their middle.
        asked: Who asked for whom, one entry per suggestion.
        pulled: The models that were fetched, one entry per fetch.
        checked: The makers that were asked how they are.
        cut_off: The suggestions and fetches that were cancelled while they waited.
    """

    documents: Documents
    outbox: Outbox

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[Caller] = []
        self.pulled: list[str] = []
        self.checked: list[int] = []
        self.cut_off = 0

    async def bootstrap(self, process: Process) -> None:
        self.documents = await process.documents("messages", [], migrations=Migrations("messages"))
        self.outbox = process.outbox("messages", self.documents)
        service = messages_service_pb2.DESCRIPTOR.services_by_name["MessagesService"]
        process.server.add(service, filled(service, self))

    async def finish(self, thread: Thread) -> None:
        """The thread's answer is complete."""
        now = Timestamp()
        now.GetCurrentTime()
        event = GenerationFinished(
            thread_id=thread.id, user_id=thread.user_id, model_id="echo", messages=2, complete=True, finished_at=now
        )

        async def emit(unit: Unit) -> None:
            self.outbox.emit(unit, "generation.finished", thread.id, event)

        await self.documents.unit(emit)

    async def SuggestTitle(self, request: SuggestTitleRequest, call: Call) -> SuggestTitleResponse:  # noqa: N802
        self.asked.append(call.caller)
        await self._answer()
        return SuggestTitleResponse(title="Lisbon by tram", tokens_used=9)

    async def PullModel(  # noqa: N802
        self, request: PullModelRequest, call: Call
    ) -> AsyncGenerator[PullModelResponse, None]:
        self.pulled.append(request.model_id)
        yield PullModelResponse(progress=40)
        await self._answer()
        yield PullModelResponse(progress=100)

    async def CheckProvider(self, request: CheckProviderRequest, call: Call) -> CheckProviderResponse:  # noqa: N802
        self.checked.append(request.provider)
        return CheckProviderResponse(is_configured=True, latency_ms=1)

    async def _answer(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise


@dataclass
class House:
    """The process and the stand-in in it; alice, bob and root, an administrator, at its door.

    `threads` and `catalog` are alice's stubs, `models` is root's of the catalog.
    """

    process: Process
    messages: StandInMessages
    threads: SignedIn
    alice: SignedIn
    bob: SignedIn
    root: SignedIn
    catalog: SignedIn
    models: SignedIn

    async def answered_thread(self) -> Thread:
        """A thread of alice's that has its first answer and no title."""
        thread: Thread = await self.threads.CreateThread(CreateThreadRequest())
        await self.messages.finish(thread)
        return thread

    async def operation(self, thread: Thread, *statuses: int) -> Operation:
        """The thread's operation, once it is there, in one of `statuses` if any are given."""

        async def read() -> list[Operation]:
            answer = await self.alice.ListOperations(ListOperationsRequest(thread_id=thread.id))
            return list(answer.operations)

        return (await eventually(read, lambda found: found and (not statuses or found[0].status in statuses)))[0]

    async def reached(self, operation: Operation, *statuses: int) -> Operation:
        """The operation, once it is in one of `statuses`."""

        async def read() -> Operation:
            found: Operation = await self.root.GetOperation(GetOperationRequest(id=operation.id))
            return found

        return await eventually(read, lambda found: found.status in statuses)

    async def title(self, thread: Thread) -> str:
        found: Thread = await self.threads.GetThread(GetThreadRequest(id=thread.id))
        return found.title


@asynccontextmanager
async def running(folder: Path, messages: StandInMessages) -> AsyncIterator[House]:
    """A house on SQLite files in `folder`, until the context is left."""
    settings = Settings(
        listen="127.0.0.1:0",
        store_url=f"sqlite:///{folder}",
        users_address=NOBODY,
        redelivery_interval=0.1,
        stop_grace=0.1,
    )
    bootstraps = {
        "threads": threads_bootstrap,
        "operations": operations_bootstrap,
        "catalog": catalog_bootstrap,
        "messages": messages.bootstrap,
    }
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(open_process(settings, bootstraps))
        channel = await stack.enter_async_context(aio.insecure_channel(process.server.address))
        alice, bob = (process.tokens.issue_user(id, False)[0] for id in ("alice", "bob"))
        root = process.tokens.issue_user("root", True)[0]
        operations = OperationsServiceStub(channel)
        yield House(
            process,
            messages,
            SignedIn(ThreadsServiceStub(channel), alice),
            SignedIn(operations, alice),
            SignedIn(operations, bob),
            SignedIn(operations, root),
            SignedIn(CatalogServiceStub(channel), alice),
            SignedIn(CatalogServiceStub(channel), root),
        )
