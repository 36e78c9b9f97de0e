"""A line between a client and a server that a test can cut, or hold: what a lost connection is to both."""

from __future__ import annotations

import asyncio
import ssl
from typing import Self


class Wire:
    """Passes bytes between `port` of its own and a server's; `cut` breaks every connection that is up.

    `hold` lets them stand and passes nothing on until `release`, which passes on what came in between.
    """

    def __init__(self, server_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """With `tls` its own end speaks TLS, and the server is spared it."""
        self.port = 0
        self._server_port = server_port
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._held: set[asyncio.Task[None]] = set()
        # Open for the connections that are made now, closed for those that are held.
        self._gate, self._held_gate = _opened(), _opened()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._listener is not None:
            self._listener.close()
        self._held_gate.set()
        self.cut()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def cut(self) -> None:
        """Breaks the connections, without a farewell. New ones may be made at once."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def hold(self) -> None:
        """The connections that are up pass nothing on. New ones may be made at once, and do."""
        self._held = set(self._passing)
        self._held_gate, self._gate = self._gate, _opened()
        self._held_gate.clear()

    async def release(self) -> None:
        """Passes on what was held; returns when it has arrived or was refused, and the connections have ended."""
        self._held_gate.set()
        await asyncio.gather(*self._held, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends |= {writer, server_writer}
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(_pass_on(source, sink, self._gate))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)


def _opened() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    try:
        while data := await source.read(65536):
            await gate.wait()
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        return
    finally:
        sink.close()
