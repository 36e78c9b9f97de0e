"""A process that is to be there, with a shell in the place of a service: started again when it dies, gone when told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from libs.client.child_process import child_process
from libs.client.replica import Process, Replica, State
from libs.common.errors import Precondition, Unavailable
from tests.integration.calling import eventually
from tests.integration.processes import is_running, state_of

T = TypeVar("T")

# Serves as soon as it has told what it was started with; SIGTERM ends it.
SERVICE = 'echo "$MOOD" >> told; exec sleep 1000'


class Shell:
    """Runs a shell's script as a replica, in a folder; what the replica tells is noted."""

    def __init__(self, folder: Path, script: str = SERVICE) -> None:
        self.script = script
        self.lines: list[str] = []
        self.replica = Replica("threads", 1, "nowhere", self._launch, self._ready, self.lines.append)
        self._folder = folder

    def told(self) -> list[str]:
        """What each run was started with."""
        written = self._folder / "told"
        return written.read_text().splitlines() if written.exists() else []

    @asynccontextmanager
    async def _launch(self, settings: Mapping[str, str]) -> AsyncIterator[Process]:
        self._runs = len(self.told())
        command = ("sh", "-c", f"cd {self._folder}; {self.script}")
        async with child_process(command, environment={**os.environ, **settings}, grace=10) as process:
            yield process

    async def _ready(self, process: Process) -> None:
        await soon(lambda: len(self.told()) > self._runs or process.returncode is not None, bool)
        if process.returncode is not None:
            raise Unavailable(f"ended with code {process.returncode}")


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    await shell.replica.stop()


async def test_a_replica_that_dies_is_started_again(shell: Shell) -> None:
    replica = shell.replica
    await replica.start()
    first = replica.pid

    await replica.kill()
    await replica.serving()

    assert first is not None
    assert not is_running(first)
    assert (replica.state, replica.deaths) == (State.SERVING, 1)
    assert replica.pid not in (None, first)
    assert shell.lines == ["threads 1 ended with code -9; it starts again", "threads 1 serves again"]


async def test_a_replica_that_was_told_to_stop_stays_away_until_it_is_started(shell: Shell) -> None:
    replica = shell.replica
    await replica.start()
    pid = replica.pid

    await replica.stop()

    assert pid is not None
    assert not is_running(pid)
    assert (replica.state, replica.pid) == (State.STOPPED, None)
    with pytest.raises(Precondition):
        await replica.serving()
    await replica.start()
    assert replica.state is State.SERVING
    assert not shell.lines


async def test_settings_of_a_start_are_for_that_run_alone(shell: Shell) -> None:
    await shell.replica.start({"MOOD": "a failpoint"})
    await shell.replica.kill()
    await shell.replica.serving()

    assert shell.told() == ["a failpoint", ""]


async def test_what_never_served_is_not_tried_again(shell: Shell) -> None:
    shell.script = "exit 7"

    with pytest.raises(Unavailable, match="threads 1: ended with code 7"):
        await shell.replica.start()


async def test_what_does_not_come_back_is_tried_with_pauses(shell: Shell) -> None:
    await shell.replica.start()
    shell.script, good = "exit 7", shell.script
    await shell.replica.kill()
    await soon(lambda: shell.lines, lambda lines: "threads 1 ended with code 7; it starts again" in lines)
    shell.script = good
    await shell.replica.serving()

    assert shell.lines[-1] == "threads 1 serves again"
    assert shell.replica.deaths == 1


async def test_a_frozen_replica_lives_on_when_it_thaws_and_stops_when_told(shell: Shell) -> None:
    replica = shell.replica
    await replica.start()

    pid = replica.pid
    assert pid is not None

    replica.freeze()
    assert replica.state.value == "frozen"
    await soon(lambda: state_of(pid), lambda state: state == "T")
    replica.thaw()
    assert replica.state.value == "serving"
    await soon(lambda: state_of(pid), lambda state: state == "S")
    replica.freeze()
    await replica.stop()

    assert replica.state is State.STOPPED
    assert not shell.lines


async def test_what_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    log = tmp_path / "log"
    async with child_process(stubborn, log=log, grace=0.2) as process:
        await soon(log.read_text, lambda text: "ready" in text)

    assert process.returncode == -signal.SIGKILL


async def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert is_running(child)

    parent.kill()
    await parent.wait()

    await soon(lambda: is_running(child), lambda is_there: not is_there)


PARENT = """
import asyncio
from libs.client.child_process import child_process

async def main():
    async with child_process(("sleep", "1000"), grace=0) as process:
        print(process.pid, flush=True)
        await process.wait()

asyncio.run(main())
"""


async def soon(read: Callable[[], T], holds: Callable[[T], object]) -> None:
    async def look() -> T:
        return read()

    await eventually(look, holds)
