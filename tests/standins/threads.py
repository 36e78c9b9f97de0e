"""A stand-in for the threads service that is not always there."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
from llmchat.threads.v1 import threads_service_pb2_grpc
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ListThreadsRequest, ListThreadsResponse

Context = grpc.aio.ServicerContext[object, object]


class StandInThreads(threads_service_pb2_grpc.ThreadsServiceServicer):
    """A stand-in for the threads service that is away for the first `away` calls, and hangs when told to."""

    def __init__(self) -> None:
        self.away = 0
        self.hangs = False
        self.creates: list[CreateThreadRequest] = []
        self.metadata: list[dict[str, str]] = []

    async def CreateThread(self, request: CreateThreadRequest, context: Context) -> Thread:
        self.creates.append(request)
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata() or ()})
        if self.hangs:
            await asyncio.Event().wait()
        if len(self.creates) <= self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return Thread(id="thread-1", title=request.title)

    async def ListThreads(self, request: ListThreadsRequest, context: Context) -> ListThreadsResponse:
        page = int(request.page_token or 1)
        return ListThreadsResponse(
            threads=[Thread(id=f"thread-{page}")], next_page_token="" if page == 3 else str(page + 1)
        )
