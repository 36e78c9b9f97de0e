"""The Firebase Realtime Database: an emulator or a database that the environment gives, or the stand-in.

`python -m tests.engines.rtdb` writes the rules under which these tests run: whoever gives a database deploys them there
first. To an emulator, and to the stand-in, they are deployed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.common.store.rtdb.rules import Rules, database_rules
from services.owned import OWNED, held_by
from tests.conformance.specimens import SPECS
from tests.engines.engine import Engine, Served
from tests.standins.rtdb_server import RtdbServer, missing, rtdb_serving

EMULATOR = "FIREBASE_DATABASE_EMULATOR_HOST"
_DATABASE = "LLMCHAT_TEST_RTDB_URL"
_NAMESPACE = "llmchat-tests"
_PATH = "tests"


def rules() -> Rules:
    """Rules for services of any name that keep what any of ours keeps, or what the conformance suite stores."""
    owned = [spec for service in OWNED for spec in held_by(service)]
    return database_rules((_PATH,), {"$service": [*SPECS, *owned]})


@contextmanager
def answering() -> Iterator[RtdbServer]:
    """The emulator that the environment names, or the stand-in; skips the test where there is neither."""
    if host := os.environ.get(EMULATOR):
        yield RtdbServer(host)
        return
    if reason := missing():
        pytest.skip(f"rtdb stand-in: {reason}")
    with rtdb_serving() as server:
        yield server


def _missing() -> str:
    return "" if os.environ.get(EMULATOR) else missing()


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    is_given = bool(os.environ.get(EMULATOR))
    what = f"the emulator at {EMULATOR}" if is_given else "stand-in: the REST API in memory, rules by targaryen 3.1.0"
    with answering() as server:
        server.deploy(_NAMESPACE, rules())
        yield Served(f"rtdb://{server.host}/{_PATH}?ns={_NAMESPACE}", what)


RTDB = Engine(
    "rtdb" if os.environ.get(_DATABASE) or os.environ.get(EMULATOR) else "rtdb stand-in", _DATABASE, _missing, _serve
)

if __name__ == "__main__":
    json.dump(rules(), sys.stdout, indent=2)
