"""The embedded server as a child process: `python -m services`, told what to do by its environment."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from libs.client.health import is_serving
from libs.common.errors import Invalid, Unavailable

# Seconds: to start, with a store that may have to recover; to stop, which lets running calls end.
_START = 60.0
_STOP = 30.0


@asynccontextmanager
async def serving(
    address: str, settings: Mapping[str, str], *, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server at `address` that is SERVING, stopped in an orderly way when the context is left.

    It gets this process's environment with `settings` over it, and a session of its own: Ctrl-C reaches this process
    alone, which then decides. Its log goes to the file `log`, or to the standard error.

    Raises:
        Invalid: the address is malformed.
        Unavailable: the address is taken, or the server ended, or did not serve in time.
    """
    if await _is_taken(address):
        # Its health would be taken for that of the server to be started.
        raise Unavailable(f"{address} is already in use", reason="ADDRESS_IN_USE", retry_after=None)
    environment = {**os.environ, **settings, "LLMCHAT_LISTEN": address}
    output = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        if output is not None:
            output.close()
    try:
        if not await is_serving(address, _START, hopeless=lambda: process.returncode is not None):
            raise Unavailable(_why_not(process.returncode, log), reason="SERVER_DID_NOT_START", retry_after=None)
        yield process
    finally:
        await _stop(process)


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _why_not(returncode: int | None, log: Path | None) -> str:
    if returncode is None:
        return f"the server did not serve within {_START:.0f} seconds"
    lines = log.read_text(errors="replace").strip().splitlines() if log else []
    return f"the server ended with code {returncode}" + (f": {lines[-1]} (all of it in {log})" if lines else "")
