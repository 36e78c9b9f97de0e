"""A request's way through the server, in one place and in order.

Composed once per method at start-up out of plain functions: gRPC's own interceptor objects cost more per call than all
of this does. Requests are parsed and answers serialized here, so that bytes that are no message are the caller's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError, Message

from libs.common import errors
from libs.common.context import NOBODY, Call, enter_call
from libs.common.rpc.interceptors.address import client_address
from libs.common.rpc.interceptors.deadline import deadline_in, within
from libs.common.rpc.interceptors.errors import Context, refuse
from libs.common.rpc.interceptors.identity import Identity
from libs.common.rpc.interceptors.limits import Limits
from libs.common.rpc.interceptors.measuring import Measured
from libs.common.rpc.interceptors.policy import Authorize, authorize
from libs.common.rpc.interceptors.request_id import REQUEST_ID, accept_request_id, accept_traceparent
from libs.common.rpc.interceptors.revocations import OpenStream, Revocations, sign_in_ended
from libs.common.rpc.interceptors.tally import Tally
from libs.common.rpc.interceptors.tracing import traced
from libs.common.rpc.interceptors.validation import Validation
from libs.common.rpc.method import Method
from libs.common.rpc.tls import require_certificate
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.tracing import Tracing

# A servicer's method; one that streams: an async generator, closed by the pipeline however the call ends; and one that
# takes a stream and answers once.
Unary = Callable[[Message, Call], Awaitable["Answer"]]
Stream = Callable[[Message, Call], AsyncGenerator[Message, None]]
Intake = Callable[[AsyncIterator[Message], Call], Awaitable["Answer"]]


Metadata = dict[str, str | bytes]

_NOT_TRACED = nullcontext()


class Answer(Protocol):
    """What a handler answers: a message, or what has the bytes of one at hand."""

    def SerializeToString(self) -> bytes:  # noqa: N802 # as messages name it
        """The answer in proto bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What every call passes. `default_deadline` is in seconds, for unary calls whose client gave none;
    `trusted_proxies` is as `client_address` takes it; `certified`: connections have certificates, and those of services
    name them.
    """

    identity: Identity
    revocations: Revocations
    limits: Limits
    validation: Validation
    tally: Tally
    metrics: Metrics
    tracing: Tracing | None
    default_deadline: float
    trusted_proxies: int = 0
    certified: bool = False

    def unary(self, method: Method, serve: Unary) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The gRPC handler of a method with one answer."""
        authorized, measured = authorize(method), Measured(self.metrics, method)

        async def answer(body: bytes, context: Context, metadata: Metadata) -> bytes:
            request_id, is_callers = accept_request_id(metadata)
            try:
                given = context.time_remaining()
                seconds = self.default_deadline if given is None else given
                call = await self._admit(method, authorized, metadata, request_id, seconds, context)
                request = self._read(method, body)
                # A deadline that the client gave is kept by gRPC itself.
                work = within(seconds, serve(request, call)) if given is None else serve(request, call)
                answered = await work
                # Trailers cost a small call a tenth of its time, so they say only what the caller does not know.
                if not is_callers:
                    context.set_trailing_metadata(((REQUEST_ID, request_id),))
                return answered.SerializeToString()
            except (Exception, asyncio.CancelledError) as error:
                await refuse(context, method.path, request_id, error)

        async def handle(body: bytes, context: Context) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            with measured.call(context), self._traced(method, metadata, context):
                return await answer(body, context, metadata)

        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, method: Method, serve: Stream) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The gRPC handler of a method with a stream of answers; only its client's deadline limits it."""
        authorized, measured = authorize(method), Measured(self.metrics, method)

        async def answer(body: bytes, context: Context, metadata: Metadata) -> None:
            request_id, is_callers = accept_request_id(metadata)
            stream: OpenStream | None = None
            try:
                seconds = context.time_remaining()
                call = await self._admit(method, authorized, metadata, request_id, seconds, context)
                request = self._read(method, body)
                if not is_callers:
                    context.set_trailing_metadata(((REQUEST_ID, request_id),))
                allow_deleted = method.policy.allow_deleted
                with self.revocations.watching(call.caller, allow_deleted=allow_deleted) as stream:
                    # Once more: who went out while the call was admitted had no stream yet to be cut.
                    await self.identity.establish(metadata, allow_deleted=allow_deleted)
                    async with self.limits.stream(call.caller, call.address), aclosing(serve(request, call)) as answers:
                        async for one in answers:
                            await context.write(one.SerializeToString())
                            measured.message()
            except (Exception, asyncio.CancelledError) as error:
                cut = stream is not None and stream.is_cut
                await refuse(context, method.path, request_id, sign_in_ended() if cut else error)

        async def handle(body: bytes, context: Context) -> None:
            metadata = dict(context.invocation_metadata() or ())
            with measured.stream(context), self._traced(method, metadata, context):
                await answer(body, context, metadata)

        return grpc.unary_stream_rpc_method_handler(handle)

    def intake(self, method: Method, serve: Intake) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The gRPC handler of a method that takes a stream and answers once; only its client's deadline limits it.

        Each message is parsed and checked as it comes: the handler meets the error of one that is refused.
        """
        authorized, measured = authorize(method), Measured(self.metrics, method)

        async def answer(bodies: AsyncIterator[bytes], context: Context, metadata: Metadata) -> bytes:
            request_id, is_callers = accept_request_id(metadata)
            stream: OpenStream | None = None
            try:
                call = await self._admit(method, authorized, metadata, request_id, context.time_remaining(), context)
                allow_deleted = method.policy.allow_deleted
                with self.revocations.watching(call.caller, allow_deleted=allow_deleted) as stream:
                    # Once more: who went out while the call was admitted had no stream yet to be cut.
                    await self.identity.establish(metadata, allow_deleted=allow_deleted)
                    async with (
                        self.limits.stream(call.caller, call.address),
                        aclosing(self._messages(method, bodies)) as messages,
                    ):
                        answered = await serve(messages, call)
                if not is_callers:
                    context.set_trailing_metadata(((REQUEST_ID, request_id),))
                return answered.SerializeToString()
            except (Exception, asyncio.CancelledError) as error:
                cut = stream is not None and stream.is_cut
                await refuse(context, method.path, request_id, sign_in_ended() if cut else error)

        async def handle(bodies: AsyncIterator[bytes], context: Context) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            with measured.stream(context), self._traced(method, metadata, context):
                return await answer(bodies, context, metadata)

        return grpc.stream_unary_rpc_method_handler(handle)

    def _traced(self, method: Method, metadata: Metadata, context: Context) -> AbstractContextManager[None]:
        return _NOT_TRACED if self.tracing is None else traced(self.tracing, method, metadata, context)

    async def _messages(self, method: Method, bodies: AsyncIterator[bytes]) -> AsyncGenerator[Message, None]:
        async for body in bodies:
            yield self._read(method, body)

    async def _admit(
        self,
        method: Method,
        authorized: Authorize,
        metadata: Metadata,
        request_id: str,
        seconds: float | None,
        context: Context,
    ) -> Call:
        """What every call passes before its request is read; the call becomes the current one."""
        caller = await self.identity.establish(metadata, allow_deleted=method.policy.allow_deleted)
        if self.certified and caller.service:
            require_certificate(context.auth_context(), caller.service)
        address = client_address(context.peer(), metadata, self.trusted_proxies) if caller == NOBODY else ""
        await self.limits.admit(caller, address)
        authorized(caller)
        self.tally.count(caller)
        call = Call(method.path, caller, request_id, accept_traceparent(metadata), deadline_in(seconds), address)
        enter_call(call)
        return call

    def _read(self, method: Method, body: bytes) -> Message:
        request = _parse(method, body)
        self.validation.check(request)
        return request


def _parse(method: Method, body: bytes) -> Message:
    try:
        request = method.request.FromString(body)
    except DecodeError:
        text = f"the request is not a {method.request.DESCRIPTOR.full_name}"
        raise errors.Invalid(text, reason="MALFORMED_REQUEST") from None
    # No rule knows them, and parts of requests are stored as they are.
    request.DiscardUnknownFields()
    return request
