"""A stand-in for a network that loses one answer of a server, or one request to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_COMMIT = re.compile(rb"COMMIT(?!TED)")


@dataclass
class Cutting:
    """What is forwarded goes through `port`; the next COMMIT that comes while `lose` is set loses its connection.

    `answer`: the server has the COMMIT, and its answer is lost. `request`: the server never hears of it.
    """

    port: int
    lose: str = ""


@asynccontextmanager
async def cutting(port: int) -> AsyncIterator[Cutting]:
    """Forwards connections to a server at a port of 127.0.0.1."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        answers = asyncio.create_task(_copy(from_server, writer))
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                lost = network.lose if _COMMIT.search(data) else ""
                if lost:
                    network.lose = ""
                    answers.cancel()
                if lost != "request":
                    to_server.write(data)
                    await to_server.drain()
                if lost == "answer":
                    await from_server.read(1)  # the server has done what it was told
                if lost:
                    break
        for end in (writer, to_server):
            end.close()
        await asyncio.gather(answers, return_exceptions=True)

    server = await asyncio.start_server(forward, "127.0.0.1")
    network = Cutting(server.sockets[0].getsockname()[1])
    async with server:
        yield network


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.close()
