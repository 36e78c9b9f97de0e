"""One process that is to be there: started again whenever it dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from enum import Enum

from libs.common.errors import DomainError, Precondition, Unavailable

Process = asyncio.subprocess.Process

# Spawns the process, with more settings for this run, and ends it when the context is left.
Launch = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Process]]
# Returns once the process serves; raises a DomainError where it never will.
Ready = Callable[[Process], Awaitable[None]]

# Seconds between starts of what does not come to serve. What had served is started again at once.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 10.0


class State(Enum):
    """How a replica is."""

    STOPPED = "stopped"
    STARTING = "starting"
    SERVING = "serving"
    FROZEN = "frozen"
    DOWN = "down"


class Replica:
    """A process by its name and number, at an address that stays.

    Attributes:
        state: How it is.
        deaths: How often it ended without being asked to.
    """

    def __init__(
        self, name: str, number: int, address: str, launch: Launch, ready: Ready, tell: Callable[[str], None]
    ) -> None:
        """`tell` is called with a line for each death and each return."""
        self.name = name
        self.number = number
        self.address = address
        self.state = State.STOPPED
        self.deaths = 0
        self._launch = launch
        self._ready = ready
        self._tell = tell
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._serving = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        return self._process.pid if self._process else None

    async def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Returns once it serves. `settings` are for this run alone: after a death it starts without them.

        Raises:
            Unavailable: it ends before it serves.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._keep(settings or {}))
        await self.serving()

    async def stop(self) -> None:
        """Ends it in an orderly way; it stays away until `start`."""
        if self.state is State.FROZEN:
            self.thaw()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, DomainError):
                await self._task
            self._task = None
        self.state = State.STOPPED

    async def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """`stop`, then `start`."""
        await self.stop()
        await self.start(settings)

    async def kill(self) -> None:
        """SIGKILL; returns once the process is gone. It is started again."""
        # Who waits for it to serve from here on waits for the next process.
        self._serving.clear()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)
        self.state = State.FROZEN

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.state = State.SERVING if self._serving.is_set() else State.STARTING

    async def serving(self) -> None:
        """Returns as soon as it serves.

        Raises:
            Precondition: it was not started.
            Unavailable: it ended before it ever served.
        """
        if self._task is None:
            raise Precondition(f"{self.name} {self.number} is not started")
        waiting = asyncio.create_task(self._serving.wait())
        try:
            await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._task.done():
            await self._task

    async def _keep(self, settings: Mapping[str, str]) -> None:
        """Runs it again and again until cancelled; raises what kept the first run from serving."""
        delay = 0.0
        ever_served = False
        while True:
            self.state = State.STARTING
            try:
                async with self._launch(settings) as process:
                    self._process = process
                    await self._ready(process)
                    self._serve(again=ever_served)
                    ever_served, delay = True, 0.0
                    ended = f"ended with code {await process.wait()}"
                    self.deaths += 1
            except (DomainError, OSError) as error:
                ended = error.text if isinstance(error, DomainError) else str(error)
                if not ever_served:
                    raise Unavailable(f"{self.name} {self.number}: {ended}", retry_after=None) from error
            finally:
                self._process = None
                self._serving.clear()
                self.state = State.DOWN
            self._tell(f"{self.name} {self.number} {ended}; it starts again")
            await asyncio.sleep(delay)
            settings, delay = {}, min(max(_FIRST_DELAY, 2 * delay), _LONGEST_DELAY)

    def _serve(self, *, again: bool) -> None:
        self.state = State.SERVING
        self._serving.set()
        if again:
            self._tell(f"{self.name} {self.number} serves again")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise Precondition(f"{self.name} {self.number} does not run")
        self._process.send_signal(number)
