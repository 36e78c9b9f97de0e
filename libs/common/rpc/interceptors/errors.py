"""How a call that failed is answered: the outermost interceptor's rule."""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from grpc import StatusCode, aio

from libs.common.errors import DomainError
from libs.common.rpc.interceptors.request_id import REQUEST_ID
from libs.common.rpc.status import DETAILS, Refusal, fixed_refusal, refusal

_log = logging.getLogger(__name__)

# Requests and answers pass gRPC as bytes: the pipeline parses and serializes them.
Context = aio.ServicerContext[bytes, bytes]


async def refuse(context: Context, path: str, request_id: str, error: BaseException) -> NoReturn:
    """Ends the call with the status of `error`. One that is a bug is logged whole and tells the caller nothing.

    Raises:
        aio.AbortError: gRPC's own way to end a call.
        CancelledError: the client has gone, or the server cuts the call.
    """
    try:
        if isinstance(error, aio.InternalError):
            raise error
        answer = _answer(path, request_id, error)
        if context.time_remaining() == 0 or (isinstance(error, asyncio.CancelledError) and _was_cancelled()):
            # gRPC itself has ended the call: its deadline has passed, its client has gone, or its server cuts what is
            # left. A status that cannot be sent any more stays in grpc.aio for ever, with the error that led to it.
            raise asyncio.CancelledError from None
        trailers = ((REQUEST_ID, request_id), (DETAILS, answer.details))
        await context.abort(answer.code, answer.text, trailers)
    except aio.InternalError:
        # An answer or a refusal to a client that has gone. gRPC lets a cancelled call pass without a word.
        _log.debug("%s lost its client", path, extra={"request_id": request_id})
        raise asyncio.CancelledError from None


def _was_cancelled() -> bool:
    """Whether this task itself was cancelled, rather than something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _answer(path: str, request_id: str, error: BaseException) -> Refusal:
    if isinstance(error, DomainError):
        known = refusal(error)
        if known is not None:
            _log.debug("%s refused: %s", path, known.code.name, extra={"request_id": request_id})
            return known
    # grpc.aio sends no status at all for a handler that ends in CancelledError, and its client waits for ever.
    if isinstance(error, asyncio.CancelledError):
        return fixed_refusal(StatusCode.CANCELLED, "the call was cancelled")
    _log.error("%s failed", path, exc_info=error, extra={"request_id": request_id})
    return fixed_refusal(StatusCode.INTERNAL, "an internal error, told in the server's log under the request id")
