"""Channels, and what every call over them carries: a deadline, a token, a request id, another try."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

import grpc
import grpc.aio

from libs.client.authorization import Authorization
from libs.client.backoff import Backoff
from libs.client.stream import Stream
from libs.common.errors import Precondition, Unauthenticated, Unavailable
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.targets import open_channel
from libs.common.rpc.tls import Tls

Request = TypeVar("Request")
Response = TypeVar("Response")


class PageRequest(Protocol):
    """A request for one page of a list."""

    page_token: str


class Page(Protocol):
    """One page of a list; the token is empty on the last."""

    next_page_token: str


PageRequestT = TypeVar("PageRequestT", bound=PageRequest)
PageT = TypeVar("PageT", bound=Page)

# Seconds that one opening of a stream may last. A longer answer is resumed, so this ends no answer: it ends only a
# connection on which nothing can be told any more.
STREAM_SECONDS = 600.0


class Calls:
    """Calls over a channel to each place, in the name that `authorization` gives."""

    def __init__(self, authorization: Authorization, *, timeout: float, tls: Tls | None = None) -> None:
        self.timeout = timeout
        self.closed = False
        self._authorization = authorization
        self._tls = tls
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def channel(self, addresses: str, service: str) -> grpc.aio.Channel:
        """The one channel to `service` at `addresses`, as `libs.common.rpc.targets` reads them."""
        # A connection on which the other end was asked for the name of one service is good for no other.
        place = (addresses, service if self._tls else "")
        if place not in self._channels:
            self._channels[place] = open_channel(addresses, service, self._tls)
        return self._channels[place]

    async def unary(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """Calls `method`, again while the server is unavailable, until an answer or the client's timeout.

        A repeat is safe: every request that changes something carries a `request_id`, by which the server knows it. A
        call that is refused because its token has expired is repeated once, with another.

        Raises:
            DomainError: what the server answered.
        """
        token = await self._authorization.token()
        try:
            return await self._until_answered(method, request, token)
        except Unauthenticated as error:
            if not await self._authorization.renewed(token, error):
                raise
        return await self._until_answered(method, request, await self._authorization.token())

    async def nobodys(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """As `unary`, in nobody's name: for the calls by which people become somebody."""
        return await self._until_answered(method, request, "")

    async def _until_answered(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, token: str
    ) -> Response:
        self._refuse_when_closed()
        until = time.monotonic() + self.timeout
        backoff = Backoff(self.timeout)
        while True:
            try:
                left = max(0.001, until - time.monotonic())
                return await method(request, timeout=left, metadata=_metadata(request, token))
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error)
                if not isinstance(failure, Unavailable) or not await backoff.pause():
                    raise failure from error

    async def pages(
        self, method: grpc.aio.UnaryUnaryMultiCallable[PageRequestT, PageT], request: PageRequestT
    ) -> AsyncIterator[PageT]:
        """The pages of a list, from the one that `request` asks for to the last."""
        page = await self.unary(method, request)
        yield page
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = await self.unary(method, request)
            yield page

    def stream(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> Stream[Response]:
        """A stream, which its first step opens."""

        def open_with(token: str) -> grpc.aio.UnaryStreamCall[Request, Response]:
            self._refuse_when_closed()
            return method(request, timeout=STREAM_SECONDS, metadata=_metadata(request, token))

        return Stream(open_with, self._authorization)

    async def intake(
        self,
        method: grpc.aio.StreamUnaryMultiCallable[Request, Response],
        requests: Callable[[], AsyncIterator[Request]],
        seconds: float,
    ) -> Response:
        """Calls `method` with a stream, and once more from its beginning where the token turns out to have expired.

        Raises:
            AioRpcError: what the server answered, or what broke it.
            DomainError: no token could be had.
        """
        self._refuse_when_closed()
        token = await self._authorization.token()
        try:
            return await method(requests(), timeout=seconds, metadata=_metadata(None, token))
        except grpc.aio.AioRpcError as error:
            if not await self._authorization.renewed(token, from_rpc_error(error)):
                raise
        token = await self._authorization.token()
        return await method(requests(), timeout=seconds, metadata=_metadata(None, token))

    async def close(self) -> None:
        """Ends the open calls and the connections. Answers that run on the server run on."""
        self.closed = True
        for channel in self._channels.values():
            await channel.close()

    def _refuse_when_closed(self) -> None:
        if self.closed:
            raise client_closed()


def client_closed() -> Precondition:
    """What a call meets after `close`."""
    return Precondition("the client is closed", reason="CLIENT_CLOSED")


def new_request_id() -> str:
    """An id by which the server recognises a repeat of the same request."""
    return uuid.uuid4().hex


def broken(error: grpc.aio.AioRpcError) -> bool:
    """True when the connection failed or the server left, False when the server gave its verdict on the request.

    A reset stream and a lost connection also come as INTERNAL or UNKNOWN. The services send details with every error of
    their own, which tells theirs from the transport's.
    """
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED):
        return True
    transport = error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    return transport and "grpc-status-details-bin" not in (key for key, _ in error.trailing_metadata() or ())


def _metadata(request: object, token: str) -> tuple[tuple[str, str], ...]:
    request_id = ("x-request-id", getattr(request, "request_id", "") or new_request_id())
    return (request_id, ("authorization", f"Bearer {token}")) if token else (request_id,)
