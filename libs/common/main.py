"""A process from its start to its stop: settings, logs, signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from libs.common.allocator import return_freed_memory
from libs.common.errors import DomainError
from libs.common.logs import configure_logging
from libs.common.opening import open_process
from libs.common.process import Bootstrap
from libs.common.settings import Settings

_log = logging.getLogger(__name__)


def serve(bootstraps: Mapping[str, Bootstrap]) -> None:
    """Serves until SIGTERM or SIGINT; what cannot start says so in one line and exits with 1."""
    return_freed_memory()
    with failing_in_one_line():
        settings = Settings()
        configure_logging(settings.log_level, settings.log_format)
        asyncio.run(_serve(settings, bootstraps))


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """Ends the process with 1 and one line on the standard error stream where a setting is wrong or something fails."""
    try:
        yield
    except ValidationError as error:
        # Only the names and the rules: a value may be a secret.
        faults = (f"LLMCHAT_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        sys.exit("llmchat: " + "; ".join(faults))
    except DomainError as error:
        sys.exit(f"llmchat: {error.text}")


async def _serve(settings: Settings, bootstraps: Mapping[str, Bootstrap]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_process(settings, bootstraps) as process:
        _log.info("serving on %s", process.server.address)
        await stop.wait()
        _log.info("stopping")
