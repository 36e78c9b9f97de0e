"""A person's threads as they change: a watch that outlives the connection it comes over."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING

import grpc.aio
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest, ThreadChange, WatchThreadsRequest

from libs.client.backoff import Backoff
from libs.client.calls import Calls, broken
from libs.common.errors import DeadlineExceeded, DomainError, NotFound, Unavailable
from libs.common.rpc.status import from_rpc_error

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

# Above every revision.
_GONE = 2**63


class ThreadsWatch:
    """What has been told of each thread, by which a watch that is opened again goes on where the one before broke."""

    def __init__(self, calls: Calls, threads: ThreadsServiceAsyncStub, limit: int, patience: float) -> None:
        self._calls = calls
        self._threads = threads
        self._limit = limit
        self._backoff = Backoff(patience)
        self._revisions: dict[str, int] = {}
        self._is_synced = False

    async def changes(self) -> AsyncGenerator[ThreadChange, None]:
        """The changes, until the caller leaves; `synced` is told once.

        Raises:
            Unavailable: the stream was broken for longer than the patience.
            DomainError: what the server refused.
        """
        while True:
            stream = self._calls.stream(self._threads.WatchThreads, WatchThreadsRequest(limit=self._limit))
            failure: DomainError = Unavailable("the watch closed")
            try:
                async for change in self._continued(stream):
                    yield change
            except (Unavailable, DeadlineExceeded) as error:
                failure = error
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error)
                if not broken(error):
                    raise failure from error
            finally:
                stream.cancel()
            if not await self._backoff.pause():
                raise failure

    async def _continued(self, stream: AsyncIterable[ThreadChange]) -> AsyncIterator[ThreadChange]:
        """What one stream tells that was not told before."""
        not_told_again = {id for id, revision in self._revisions.items() if revision < _GONE}
        async for change in stream:
            self._backoff.restart()
            match change.WhichOneof("change"):
                case "thread":
                    not_told_again.discard(change.thread.id)
                    if self._is_news(change.thread.id, int(change.thread.etag)):
                        yield change
                case "deleted_id":
                    not_told_again.discard(change.deleted_id)
                    if self._is_news(change.deleted_id, _GONE):
                        yield change
                case "synced":
                    for id in not_told_again:
                        missed = await self._ask(id)
                        if missed is not None:
                            yield missed
                    if not self._is_synced:
                        self._is_synced = True
                        yield change

    async def _ask(self, id: str) -> ThreadChange | None:
        """What became of a thread while nothing was watched, if anything did."""
        try:
            thread = await self._calls.unary(self._threads.GetThread, GetThreadRequest(id=id))
        except NotFound:
            return ThreadChange(deleted_id=id) if self._is_news(id, _GONE) else None
        return ThreadChange(thread=thread) if self._is_news(id, int(thread.etag)) else None

    def _is_news(self, id: str, revision: int) -> bool:
        before = self._revisions.get(id, 0)
        self._revisions[id] = max(before, revision)
        return revision > before
