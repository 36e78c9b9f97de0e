"""The Firebase Realtime Database: an emulator or a database that the environment gives, or the stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.engine import Engine, Served
from tests.standins.rtdb_server import missing, rtdb_serving

EMULATOR = "FIREBASE_DATABASE_EMULATOR_HOST"
_DATABASE = "LLMCHAT_TEST_RTDB_URL"


def _emulator() -> Served | None:
    host = os.environ.get(EMULATOR, "")
    return Served(_url(host), f"the emulator at {host}") if host else None


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with rtdb_serving() as server:
        yield Served(_url(server.host), "stand-in: REST API in memory, rules by targaryen 3.1.0")


def _url(host: str) -> str:
    return f"rtdb://{host}/tests?ns=llmchat-tests"


RTDB = Engine(
    "rtdb" if os.environ.get(_DATABASE) or os.environ.get(EMULATOR) else "rtdb stand-in",
    _DATABASE,
    missing,
    _serve,
    _emulator,
)
