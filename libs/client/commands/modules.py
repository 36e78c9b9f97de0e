"""What commands have done by the services' own code, which they start as `llmchat up` does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import typer

from libs.client.child_process import child_process

_STOP = 10.0  # seconds


def run_module(module: str, *arguments: str, settings: Mapping[str, str]) -> None:
    """`python -m MODULE` with this process's environment and `settings` over it, until it ends.

    It writes where this process writes. Secrets go by `settings`, never by arguments, which anybody may read.

    Raises:
        Exit: it failed, and has said why; with its exit code.
    """

    async def run() -> int:
        command = (sys.executable, "-m", module, *arguments)
        async with child_process(command, environment={**os.environ, **settings}, grace=_STOP) as process:
            return await process.wait()

    if code := asyncio.run(run()):
        raise typer.Exit(code if code > 0 else 1)
