"""Cloud Firestore: an emulator or a database that the environment gives, or the stand-in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.engine import Engine, Served
from tests.standins.firestore_server import firestore_serving

EMULATOR = "FIRESTORE_EMULATOR_HOST"
_DATABASE = "LLMCHAT_TEST_FIRESTORE_URL"


def _emulator() -> Served | None:
    host = os.environ.get(EMULATOR, "")
    return Served(_url(host), f"the emulator at {host}") if host else None


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with firestore_serving() as address:
        yield Served(_url(address), "stand-in: Firestore's gRPC services in memory")


def _url(host: str) -> str:
    return f"firestore://llmchat-tests/?emulator={host}"


FIRESTORE = Engine(
    "firestore" if os.environ.get(_DATABASE) or os.environ.get(EMULATOR) else "firestore stand-in",
    _DATABASE,
    lambda: "",
    _serve,
    _emulator,
)
