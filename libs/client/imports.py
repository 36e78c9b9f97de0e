"""Conversations brought in from elsewhere, and taken out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import grpc.aio
from llmchat.threads.v1.threads_service_pb2 import (
    BeginImport,
    ConversationFormat,
    ExportThreadsRequest,
    ImportedThread,
    ImportThreadsRequest,
)

from libs.client.backoff import Backoff
from libs.client.calls import broken
from libs.client.connection import Connection
from libs.common.rpc.status import from_rpc_error

# Seconds that a file may take, from its first byte to the answer.
_IMPORT_SECONDS = 3600.0
_PIECE_BYTES = 256 * 1024


class Imports(Connection):
    """Files of conversations."""

    async def import_threads(
        self, file: Path, format: ConversationFormat, *, model_id: str = ""
    ) -> Sequence[ImportedThread]:
        """Takes over the conversations of a file (ChatGPT's or Claude's `conversations.json`); what has become of each.

        One that breaks is made again: what has been taken over by then is found. `model_id` is for conversations whose
        own model is none of the catalog's; left out, the person's default.

        Raises:
            DomainError: what the server answered; Unavailable after the client's patience.
        """
        begin = BeginImport(format=format, model_id=model_id)
        backoff = Backoff(self._patience)
        while True:
            try:
                taken = await self._calls.intake(
                    self._threads.ImportThreads, partial(_steps, file, begin), _IMPORT_SECONDS
                )
                return taken.threads
            except grpc.aio.AioRpcError as error:
                if not broken(error) or not await backoff.pause():
                    raise from_rpc_error(error) from error

    async def export_threads(self, format: ConversationFormat, thread_ids: Sequence[str] = ()) -> AsyncIterator[bytes]:
        """The pieces of a file of these conversations, or of all, that `import_threads` takes.

        Raises:
            DomainError: what the server answered, or the connection broke. An export is not resumed: ask again.
        """
        request = ExportThreadsRequest(format=format, thread_ids=thread_ids)
        stream = self._calls.stream(self._threads.ExportThreads, request)
        try:
            async for piece in stream:
                yield piece.data
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            stream.cancel()


async def _steps(file: Path, begin: BeginImport) -> AsyncIterator[ImportThreadsRequest]:
    yield ImportThreadsRequest(begin=begin)
    for piece in _pieces(file):
        yield ImportThreadsRequest(data=piece)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            yield piece
