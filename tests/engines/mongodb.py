"""MongoDB: a replica set that the environment gives, a `mongod` of this machine, or the stand-in."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tests.engines import containers
from tests.engines.engine import Engine, Served
from tests.engines.server import Server, serving

_VARIABLE = "LLMCHAT_TEST_MONGODB_URL"
_MONGOD = shutil.which("mongod")
_STAND_IN = "secantus"
_STAND_IN_PROGRAM = Path(__file__).parents[1] / "standins" / "mongodb_server.py"
_REPLICA_SET = "tests"
_ALREADY_INITIALIZED = 23


class MongoServer(Server):
    """A replica set of one node."""

    refuses_root = False

    @property
    def url(self) -> str:
        """Where its stores are."""
        return f"mongodb://127.0.0.1:{self.port}/llmchat"

    def command(self) -> Sequence[str]:
        """What serves."""
        place = ["--port", str(self.port)]
        data = str(self.folder / "data")
        if _MONGOD is not None:
            options = ["--replSet", _REPLICA_SET, "--bind_ip", "127.0.0.1", "--nounixsocket"]
            return [_MONGOD, *place, *options, *containers.MONGODB_OPTIONS, "--dbpath", data]
        options = ["--host", "127.0.0.1", "--storage-path", data, "--sync-on-commit"]
        return [sys.executable, str(_STAND_IN_PROGRAM), *place, *options]

    def initialize(self) -> None:
        """Makes the folder's data."""
        (self.folder / "data").mkdir()

    def version(self) -> str:
        """What answers as the primary; empty where nothing does yet."""
        client: MongoClient[Any]
        with MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=1000) as client:
            try:
                if _MONGOD is not None:
                    self._initiate(client)
                if client.admin.command("hello").get("isWritablePrimary"):
                    return str(client.server_info()["version"])
            except PyMongoError:
                pass
        return ""

    def _initiate(self, client: MongoClient[Any]) -> None:
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with serving(MongoServer, folder) as server:
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
