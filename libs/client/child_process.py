"""A child process that does not outlive this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL

# Kills the child once its own standard input closes, which happens however this process ends. A shell does it on every
# system, for every program, and needs nothing of the child.
_GUARD = ("sh", "-c", 'read _; kill -9 "$0"')


@asynccontextmanager
async def child_process(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, log: Path | None = None, grace: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`command` as a process, from its spawning until the context is left: SIGTERM, and SIGKILL after `grace` seconds.

    It has a session of its own, so that Ctrl-C reaches this process alone, which then decides. If this process ends
    without leaving the context, it is killed. What it writes is added to the file `log`, or goes where this process
    writes.
    """
    output = None
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    finally:
        if output is not None:
            output.close()
    try:
        guard = await asyncio.create_subprocess_exec(
            *_GUARD, str(process.pid), stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            yield process
        finally:
            await _end(process, grace)
            guard.kill()
            await guard.wait()
    finally:
        await _end(process, 0)


async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
    with suppress(ProcessLookupError):
        if process.returncode is None and grace:
            process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await process.wait()
        if process.returncode is None:
            process.kill()
    await process.wait()
