"""A server of an engine on this machine, which tests may kill and start again on what it holds."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

# Below the ports that systems give to outgoing connections.
_PORTS = range(20000, 32768)
_PORTS_TRIED = 10
_START = 60.0  # seconds
# Kills the server once its own standard input closes, which happens however this process ends.
_GUARD = ("sh", "-c", 'read _; kill -9 "$0"')

# Removes a folder once its own standard input closes, and a server that was killed has let go of it.
_CLEANER = ("sh", "-c", 'read _; sleep 1; rm -rf "$0"')

S = TypeVar("S", bound="Server")


class Server(ABC):
    """A server at a port of 127.0.0.1, with a password of its own."""

    refuses_root = True

    def __init__(self, folder: Path, port: int, user: str | None = None) -> None:
        """`folder` is that of its data, logs and sockets; `user` the one that it runs as."""
        self.folder = folder
        self.port = port
        self.password = f"pass%word/{port}"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its stores are."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What serves."""

    @abstractmethod
    def initialize(self) -> None:
        """Makes the folder's data."""

    @abstractmethod
    def version(self) -> str:
        """What answers; empty where nothing does yet."""

    def start(self) -> bool:
        """Starts it; False if it ended at once, as where the port is taken. It dies with this process."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self._user,
            )
        guard = (*_GUARD, str(self._process.pid))
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        end = time.monotonic() + _START
        while self._process.poll() is None and time.monotonic() < end:
            if self.version():
                return True
            time.sleep(0.05)
        self.kill()
        return False

    def kill(self) -> None:
        """SIGKILL; safe to repeat."""
        for process in (self._guard, self._process):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
        self._guard = self._process = None

    def signal(self, number: int) -> None:
        """Sends the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def run(self, *command: str) -> None:
        """Runs a command of the engine's, as the user that it runs as, to its end."""
        with (self.folder / "log").open("ab") as log:
            subprocess.run(
                command, cwd=self.folder, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user
            )


def flushes() -> bool:
    """Whether what is committed has to survive the loss of power: LLMCHAT_TEST_DURABLE, which measurements set."""
    return bool(os.environ.get("LLMCHAT_TEST_DURABLE"))


@contextmanager
def serving(kind: type[S], folder: Path) -> Iterator[S]:
    """A server of that kind on this machine, until the context is left."""
    with _own_folder(folder, as_another=kind.refuses_root and os.geteuid() == 0) as (own, user):
        for port in random.sample(_PORTS, _PORTS_TRIED):
            server = kind(own, port, user)
            shutil.rmtree(own / "data", ignore_errors=True)
            server.initialize()
            if server.start():
                try:
                    yield server
                finally:
                    server.kill()
                return
        raise AssertionError(f"{kind.__name__} did not start: {(own / 'log').read_text()}")


@contextmanager
def _own_folder(folder: Path, *, as_another: bool) -> Iterator[tuple[Path, str | None]]:
    """A folder, and who runs what lies there: where it is another user, it is made where that one may go."""
    if not as_another:
        yield folder, None
        return
    user = _exists("postgres") or "nobody"
    own = Path(tempfile.mkdtemp(prefix="llmchat-engine-"))
    cleaner = subprocess.Popen((*_CLEANER, str(own)), stdin=subprocess.PIPE, start_new_session=True)
    try:
        shutil.chown(own, user)
        yield own, user
    finally:
        shutil.rmtree(own, ignore_errors=True)
        cleaner.kill()
        cleaner.communicate()


def _exists(user: str) -> str:
    try:
        return pwd.getpwnam(user).pw_name
    except KeyError:
        return ""
