"""MongoDB: a replica set that the environment gives, a `mongod` of this machine, or the stand-in."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tests.engines import containers
from tests.engines.engine import Engine, Served

_VARIABLE = "LLMCHAT_TEST_MONGODB_URL"
_MONGOD = shutil.which("mongod")
_STAND_IN = "secantus"
_REPLICA_SET = "tests"
_ALREADY_INITIALIZED = 23
# Below the ports that systems give to outgoing connections.
_PORTS = range(20000, 32768)
_PORTS_TRIED = 10
_START = 60.0  # seconds


@dataclass
class MongoServer:
    """A server of one node at a port of 127.0.0.1, which may be killed and started again on what it holds."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None
    _guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its stores are."""
        return f"mongodb://127.0.0.1:{self.port}/llmchat"

    def start(self) -> bool:
        """Starts it; False if it ended at once, as where the port is taken. It dies with this process."""
        (self.folder / "data").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        guard = ("sh", "-c", 'read _; kill -9 "$0"', str(self._process.pid))
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        return self._answers()

    def kill(self) -> None:
        """SIGKILL; safe to repeat."""
        for process in (self._guard, self._process):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
        self._guard = self._process = None

    def version(self) -> str:
        """Its own version."""
        with self._client() as client:
            return str(client.server_info()["version"])

    def _command(self) -> list[str]:
        place = ["--port", str(self.port)]
        if _MONGOD is not None:
            options = ["--replSet", _REPLICA_SET, "--bind_ip", "127.0.0.1", "--nounixsocket"]
            return [_MONGOD, *place, *options, *containers.MONGODB_OPTIONS, "--dbpath", str(self.folder / "data")]
        options = ["--host", "127.0.0.1", "--storage-path", str(self.folder / "data"), "--sync-on-commit"]
        return [sys.executable, "-m", "tests.standins.mongodb_server", *place, *options]

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _START
        while self._process.poll() is None and time.monotonic() < deadline:
            with self._client() as client:
                try:
                    if _MONGOD is not None:
                        self._initiate(client)
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return True
                except PyMongoError:
                    pass
            time.sleep(0.05)
        self.kill()
        return False

    def _initiate(self, client: MongoClient[Any]) -> None:
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise

    def _client(self) -> MongoClient[Any]:
        return MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=1000)


@contextmanager
def mongodb_serving(folder: Path) -> Iterator[MongoServer]:
    """A server on this machine with its data in the folder, until the context is left."""
    for port in random.sample(_PORTS, _PORTS_TRIED):
        server = MongoServer(folder, port)
        if server.start():
            try:
                yield server
            finally:
                server.kill()
            return
    raise AssertionError(f"MongoDB did not start: {folder / 'log'}")


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with mongodb_serving(folder) as server:
        what = f"MongoDB {server.version()} of this machine, one node"
        if _MONGOD is None:
            what = f"stand-in: SecantusDB {importlib.metadata.version('secantusdb')}"
        yield Served(server.url, what)


def _missing() -> str:
    if _MONGOD is None and importlib.util.find_spec(_STAND_IN) is None:
        return "no mongod on the PATH and no stand-in (pip install secantusdb)"
    return ""


_REAL = os.environ.get(_VARIABLE) or _MONGOD is not None or not containers.MONGODB.missing()
MONGODB = Engine("mongodb" if _REAL else "mongodb stand-in", _VARIABLE, _missing, _serve, container=containers.MONGODB)
