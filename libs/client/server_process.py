"""Services as a child process: `python -m services`, all or one of them, told what to do by its environment."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from libs.client.child_process import child_process
from libs.client.health import is_serving
from libs.common.errors import Invalid, Unavailable
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES

# Seconds: to start, with a store that may have to recover; to stop, which lets running calls end.
_START = 60.0
_STOP = 30.0

# Below the ports that systems give to outgoing connections, so that who starts again finds its port free.
_PORTS = range(20_000, 32_768)


@asynccontextmanager
async def serving(
    address: str, settings: Mapping[str, str], *, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """All services at `address`, SERVING, until the context is left.

    Raises:
        Invalid: the address is malformed, or what the settings say of TLS.
        Unavailable: the address is taken, or the server ended, or did not serve in time.
    """
    tls = Tls.of({**os.environ, **settings})
    async with server_process("services", address, settings, log=log) as process:
        await until_serving(process, address, SERVICES[0], tls=tls, log=log)
        yield process


@asynccontextmanager
async def server_process(
    module: str, address: str, settings: Mapping[str, str], *, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m MODULE` from its spawning on, stopped in an orderly way when the context is left.

    It gets this process's environment with `settings` over it. See `child_process` for the rest.

    Raises:
        Invalid: the address is malformed.
        Unavailable: the address is taken.
    """
    if await _is_taken(address):
        # Its health would be taken for that of the server to be started.
        raise Unavailable(f"{address} is already in use", reason="ADDRESS_IN_USE", retry_after=None)
    environment = {**os.environ, **settings, "LLMCHAT_LISTEN": address}
    command = (sys.executable, "-m", module)
    async with child_process(command, environment=environment, log=log, grace=_STOP) as process:
        yield process


async def until_serving(
    process: asyncio.subprocess.Process, address: str, service: str, *, tls: Tls | None, log: Path | None = None
) -> None:
    """Waits until the process serves at `address`, where `service` is to be.

    Raises:
        Unavailable: it ended, or did not serve in time.
    """
    if not await is_serving(address, service, _START, tls=tls, hopeless=lambda: process.returncode is not None):
        raise Unavailable(_why_not(process.returncode, log), reason="SERVER_DID_NOT_START", retry_after=None)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on now."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


async def _is_taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise Invalid(f"{address!r} is not an address: HOST:PORT")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return False
    writer.close()
    return True


def _why_not(returncode: int | None, log: Path | None) -> str:
    if returncode is None:
        return f"the server did not serve within {_START:.0f} seconds"
    lines = log.read_text(errors="replace").strip().splitlines() if log else []
    return f"the server ended with code {returncode}" + (f": {lines[-1]} (all of it in {log})" if lines else "")
