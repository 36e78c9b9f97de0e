"""A channel over TLS whose connections show the certificate that the files hold now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc
from grpc import aio

from libs.common.rpc.tls import Tls

# Seconds that calls may go on over connections with the former certificate: longer than a client has a stream open.
_GRACE = 900.0


class TlsChannel:
    """What stubs need of an `aio.Channel`. gRPC's own keeps the credentials that it was made with."""

    def __init__(self, tls: Tls, connect: Callable[[grpc.ChannelCredentials], aio.Channel]) -> None:
        self._tls = tls
        self._connect = connect
        self._credentials = tls.channel_credentials()
        self._channel = connect(self._credentials)
        self._former: dict[asyncio.Task[None], aio.Channel] = {}

    def unary_unary(self, path: str, **codec: Any) -> Callable[..., Any]:
        return lambda *request, **terms: self._current().unary_unary(path, **codec)(*request, **terms)

    def unary_stream(self, path: str, **codec: Any) -> Callable[..., Any]:
        return lambda *request, **terms: self._current().unary_stream(path, **codec)(*request, **terms)

    def stream_unary(self, path: str, **codec: Any) -> Callable[..., Any]:
        return lambda *request, **terms: self._current().stream_unary(path, **codec)(*request, **terms)

    def stream_stream(self, path: str, **codec: Any) -> Callable[..., Any]:
        return lambda *request, **terms: self._current().stream_stream(path, **codec)(*request, **terms)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Ends the calls under way, after `grace` seconds where it is given, and closes every connection."""
        await asyncio.gather(*(channel.close(grace) for channel in (*self._former.values(), self._channel)))

    def _current(self) -> aio.Channel:
        credentials = self._tls.channel_credentials()
        if credentials is not self._credentials:
            former, self._channel = self._channel, self._connect(credentials)
            self._credentials = credentials
            closing = asyncio.create_task(former.close(_GRACE))
            self._former[closing] = former
            closing.add_done_callback(self._former.pop)
        return self._channel
