"""A stand-in for a name server: it knows one host, at the IPv4 addresses that a test gives it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import cast

_HEADER = 12
_A, _IN, _ANSWERED = 1, 1, 0x8180
# Where the question stands, to which every answer refers.
_NAME = b"\xc0\x0c"


class NameServer(asyncio.DatagramProtocol):
    """Answers every question for an IPv4 address with all of `addresses`, which are not to be remembered."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\0", _HEADER) + 5
        kind = int.from_bytes(data[end - 4 : end - 2])
        found = [IPv4Address(address).packed for address in self.addresses] if kind == _A else []
        answers = [_NAME + struct.pack(">HHIH", _A, _IN, 0, len(address)) + address for address in found]
        head = data[:2] + struct.pack(">HHHHH", _ANSWERED, 1, len(answers), 0, 0)
        self._transport.sendto(head + data[_HEADER:end] + b"".join(answers), addr)


@asynccontextmanager
async def name_server(*addresses: str) -> AsyncIterator[NameServer]:
    """A name server on a port of its own."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(list(addresses)), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
