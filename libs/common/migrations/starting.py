"""What a process does about pending migrations when it starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

from libs.common.errors import Contended, Precondition, Unavailable
from libs.common.migrations.runner import Runner

_log = logging.getLogger(__name__)

# Seconds until what another process runs, or what is away, is looked at again.
_PAUSE = 2.0

Mode = Literal["off", "check", "up"]


async def require_migrated(runners: Sequence[Runner], mode: Mode) -> None:
    """Returns where the process may start; where something is pending and stays so, the log says that.

    Raises:
        Precondition: the mode is `check`, and something is pending (reason MIGRATIONS_PENDING).
    """
    if mode == "up":
        return
    for runner in runners:
        try:
            pending = await runner.pending()
        except Precondition as error:
            if mode == "check":
                raise
            _log.warning("%s", error.text)
            continue
        if pending:
            names = ", ".join(f"{record.id}_{record.name}" for record in pending)
            text = f"migrations of {runner.service} are pending: {names}"
            if mode == "check":
                raise Precondition(f"{text} (LLMCHAT_MIGRATE is check)", reason="MIGRATIONS_PENDING")
            _log.warning("%s; once every replica runs this version: llmchat migrate up", text)


async def migrate(runner: Runner, by: str) -> None:
    """Has what is pending applied, by this process or another one; what fails is in the log and stays as it is."""
    while True:
        try:
            async with aclosing(runner.up(by)) as steps:
                async for _ in steps:
                    pass
        except (Contended, Unavailable) as error:
            _log.info("the migrations of %s are looked at again: %s", runner.service, error.text)
            await asyncio.sleep(_PAUSE)
        except Precondition as error:
            _log.error("%s", error.text)
            return
        else:
            return
