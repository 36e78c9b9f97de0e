"""The export of everything of a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc.aio
from llmchat.operations.v1.operations_service_pb2 import ExportFormat, ExportUserDataRequest

from libs.client.calls import Calls
from libs.common.rpc.status import from_rpc_error

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub


async def export_of(
    calls: Calls, operations: OperationsServiceAsyncStub, user_id: str, format: ExportFormat
) -> AsyncIterator[bytes]:
    """The pieces of the file, in order. Raises DomainError: what the server answered, or the connection broke."""
    stream = calls.stream(operations.ExportUserData, ExportUserDataRequest(user_id=user_id, format=format))
    try:
        async for piece in stream:
            yield piece.data
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    finally:
        stream.cancel()
