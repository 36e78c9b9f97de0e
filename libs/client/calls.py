"""Channels, and what every call over them carries: a deadline, the token, a request id, another try."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

import grpc
import grpc.aio

from libs.client.backoff import Backoff
from libs.common.errors import Precondition, Unavailable
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.targets import open_channel

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

# Clients of one process share no connection, so that closing one is felt by no other.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class Calls:
    """Calls over a channel to each place. `token` may be set at any time; it goes on every later call."""

    def __init__(self, *, token: str | None, timeout: float) -> None:
        self.token = token
        self.timeout = timeout
        self.closed = False
        self._channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, addresses: str) -> grpc.aio.Channel:
        """The one channel to `addresses`, as `libs.common.rpc.targets` reads them."""
        if addresses not in self._channels:
            self._channels[addresses] = open_channel(addresses, _OPTIONS)
        return self._channels[addresses]

    async def unary(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """Calls `method`, again while the server is unavailable, until an answer or the client's timeout.

        A repeat is safe: every request that changes something carries a `request_id`, by which the server knows it.

        Raises:
            DomainError: what the server answered.
        """
        self._refuse_when_closed()
        until = time.monotonic() + self.timeout
        backoff = Backoff(self.timeout)
        while True:
            try:
                left = max(0.001, until - time.monotonic())
                return await method(request, timeout=left, metadata=self._metadata(request))
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
    ) -> grpc.aio.UnaryStreamCall[Request, Response]:
        """Opens a stream. What breaks it is raised by the reading of it, as an AioRpcError."""
        self._refuse_when_closed()
        return method(request, timeout=STREAM_SECONDS, metadata=self._metadata(request))

    async def close(self) -> None:
        """Ends the open calls and the connections. Answers that run on the server run on."""
        self.closed = True
        for channel in self._channels.values():
            await channel.close()

    def _refuse_when_closed(self) -> None:
        if self.closed:
            raise client_closed()

    def _metadata(self, request: object) -> tuple[tuple[str, str], ...]:
        request_id = ("x-request-id", getattr(request, "request_id", "") or new_request_id())
        return (request_id,) if self.token is None else (request_id, ("authorization", f"Bearer {self.token}"))


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
