"""Calls to other services: who asks, for whom, under which request id and how long it may take go along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol, TypeVar, cast

from google.protobuf.message import Message
from grpc import aio
from opentelemetry.trace import SpanKind

from libs.common import errors
from libs.common.clock import Clock, wall_clock
from libs.common.context import Call, Caller, current_call
from libs.common.rpc.interceptors.identity import AUTHORIZATION
from libs.common.rpc.interceptors.request_id import REQUEST_ID, TRACEPARENT
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.targets import open_channel
from libs.common.rpc.tls import Tls
from libs.common.settings import address_setting
from libs.common.telemetry.tracing import Tracing
from libs.common.under_way import UnderWay

S = TypeVar("S")

_OPTIONS = (("grpc.http2.bdp_probe", 0),)
_MAX_TOKENS = 2_000
# Milliseconds before its expiry from which a token is replaced: longer than a call waits to be served.
_RENEW_BEFORE = 60_000


class ServiceTokens(Protocol):
    """Signs what a service claims: its name and the user it acts for."""

    def issue_service(self, service: str, user_id: str, is_admin: bool) -> tuple[str, int]:
        """A token, and when it expires in milliseconds of the epoch."""


class Channels:
    """The channels of one service to the others, opened at the first use and shared by all calls."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        service: str,
        tokens: ServiceTokens,
        *,
        tls: Tls | None = None,
        tracing: Tracing | None = None,
        default_deadline: float = 10.0,
        left_to_end: float = 1.0,
        clock: Clock = wall_clock,
    ) -> None:
        """Args:
        addresses: per service name where it is served, as `rpc.targets` reads them.
        service: the name under which this service calls.
        tokens: signs its calls.
        tls: what is shown to the others and asked of them; None: nothing, in plain text.
        tracing: what makes spans of the calls.
        default_deadline: seconds that a unary call may take where the call being served has no deadline.
        left_to_end: seconds that a unary call has once its caller is cancelled, until it is cancelled too. Most take
            milliseconds, and grpc.aio never frees what belongs to one that is cancelled.
        clock: tells when a token must be renewed.
        """
        self._addresses = dict(addresses)
        self._service = service
        self._tokens = tokens
        self._tls = tls
        self._tracing = tracing
        self._default_deadline = default_deadline
        self.left_to_end = left_to_end
        self._clock = clock
        self._issued: dict[tuple[str, bool], tuple[str, int]] = {}
        self._channels: dict[tuple[str, str], aio.Channel] = {}
        self._under_way = UnderWay()

    def stub(self, service: str, stub: Callable[[aio.Channel], S]) -> S:
        """A stub whose methods are called with the request alone and raise domain errors.

        `await stub.GetThread(request)` answers; who is cancelled meanwhile leaves the call a second to end by itself,
        then it is cancelled. `stub.PullModel(request)` is an async generator: close it (`aclose`) to cancel the call.
        RPCs that take a stream are none for services.

        Raises:
            Precondition: no address is known for `service`; made when a service is wired, this stops its start.
        """
        addresses = self._addresses.get(service)
        if not addresses:
            text = f"{address_setting(service)} is not set: {self._service} calls {service}, which is not served here"
            raise errors.Precondition(text, reason="UNKNOWN_SERVICE")
        # A connection on which the other end was asked for the name of one service is good for no other.
        place = (addresses, service if self._tls else "")
        if place not in self._channels:
            self._channels[place] = open_channel(addresses, service, self._tls, _OPTIONS)
        # A stub asks its channel for one callable per method, and for nothing else.
        return stub(cast("aio.Channel", _Outgoing(self._channels[place], self, self._under_way)))

    async def close(self) -> None:
        """Ends the calls under way and closes every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        await self._under_way.ended()

    def timeout(self, call: Call) -> float:
        """Seconds that a unary call made for `call` may take."""
        remaining = call.remaining()
        return self._default_deadline if remaining is None else remaining

    @contextmanager
    def terms(self, path: str, call: Call) -> Iterator[tuple[tuple[str, str], ...]]:
        """What goes along with a call made for `call`; the context is open while it is under way."""
        if self._tracing is None or not call.traceparent:
            yield self._metadata(call, call.traceparent)
            return
        with self._tracing.span(path.lstrip("/"), SpanKind.CLIENT, call.traceparent) as span:
            try:
                yield self._metadata(call, span.traceparent)
            except errors.DomainError as error:
                span.fail(error.reason)
                raise

    def _metadata(self, call: Call, traceparent: str) -> tuple[tuple[str, str], ...]:
        known = ((REQUEST_ID, call.request_id), (TRACEPARENT, traceparent))
        return ((AUTHORIZATION, f"Bearer {self._token(call.caller)}"), *(pair for pair in known if pair[1]))

    def _token(self, caller: Caller) -> str:
        who = (caller.user_id, caller.is_admin)
        token, expires_at = self._issued.get(who, ("", 0))
        if expires_at - self._clock() > _RENEW_BEFORE:
            return token
        if len(self._issued) >= _MAX_TOKENS:
            del self._issued[next(iter(self._issued))]
        self._issued[who] = self._tokens.issue_service(self._service, caller.user_id, caller.is_admin)
        return self._issued[who][0]


class _Outgoing:
    """A channel as stubs see it: every callable made of it adds the call's terms and translates errors."""

    def __init__(self, channel: aio.Channel, terms: Channels, under_way: UnderWay) -> None:
        self._channel = channel
        self._terms = terms
        self._under_way = under_way

    def unary_unary(self, path: str, **codec: Any) -> Callable[[Message], Awaitable[Message]]:
        send: aio.UnaryUnaryMultiCallable[Message, Message] = self._channel.unary_unary(path, **codec)

        async def ask(request: Message) -> Message:
            call = current_call()
            seconds = self._terms.timeout(call)
            if not seconds:
                raise errors.DeadlineExceeded("the deadline passed before another service was asked")
            with self._terms.terms(path, call) as metadata:
                try:
                    return await send(request, timeout=seconds, metadata=metadata)
                except aio.AioRpcError as error:
                    raise from_rpc_error(error) from error

        async def invoke(request: Message) -> Message:
            asking = self._under_way.begin(ask(request))
            try:
                return await asyncio.shield(asking)
            except asyncio.CancelledError:
                asyncio.get_running_loop().call_later(self._terms.left_to_end, asking.cancel)
                raise

        return invoke

    def unary_stream(self, path: str, **codec: Any) -> Callable[[Message], AsyncGenerator[Message, None]]:
        send: aio.UnaryStreamMultiCallable[Message, Message] = self._channel.unary_stream(path, **codec)

        async def invoke(request: Message) -> AsyncGenerator[Message, None]:
            call = current_call()
            with self._terms.terms(path, call) as metadata:
                answers = send(request, timeout=call.remaining(), metadata=metadata)
                try:
                    async for answer in answers:
                        yield answer
                except aio.AioRpcError as error:
                    raise from_rpc_error(error) from error
                finally:
                    answers.cancel()

        return invoke

    def stream_unary(self, path: str, **codec: Any) -> Callable[[Message], NoReturn]:
        """Stubs ask for one per method. No policy lets one of our services call an RPC that takes a stream."""

        def refuse(request: Message) -> NoReturn:
            raise TypeError(f"{path} takes a stream, and is not for services")

        return refuse
