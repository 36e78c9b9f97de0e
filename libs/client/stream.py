"""A stream's events, from a call that carries a token which is good when it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar

import grpc.aio

from libs.client.authorization import Authorization
from libs.common.rpc.status import from_rpc_error

Response = TypeVar("Response")


class Stream(Generic[Response]):
    """Opened by the first step; a second time, with another token, where it is refused because the first has expired.

    What breaks it is raised as an AioRpcError; where no token could be had, a DomainError.
    """

    def __init__(
        self, open: Callable[[str], grpc.aio.UnaryStreamCall[Any, Response]], authorization: Authorization
    ) -> None:
        self._open = open
        self._authorization = authorization
        self._call: grpc.aio.UnaryStreamCall[Any, Response] | None = None
        self._events: AsyncIterator[Response] | None = None
        self._is_cancelled = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Response:
        if self._events is not None:
            return await anext(self._events)
        token = await self._authorization.token()
        try:
            return await anext(self._begin(token))
        except grpc.aio.AioRpcError as error:
            if not await self._authorization.renewed(token, from_rpc_error(error)):
                raise
        return await anext(self._begin(await self._authorization.token()))

    def cancel(self) -> None:
        """Ends it: who waits for an event is cancelled."""
        self._is_cancelled = True
        if self._call is not None:
            self._call.cancel()

    def _begin(self, token: str) -> AsyncIterator[Response]:
        self._call = self._open(token)
        if self._is_cancelled:
            self._call.cancel()
        self._events = aiter(self._call)
        return self._events
