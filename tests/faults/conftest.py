"""Rounds of random moments. `LLMCHAT_FAULT_ROUNDS` sets how many, `LLMCHAT_FAULT_SEED` which.

`LLMCHAT_FAULT_ENGINES` sets on which engines servers are killed, by their names in `tests/engines/` with commas
between; SQLite, PostgreSQL and MongoDB or its stand-in if nothing is said.

Rounds come in batches of five on one data folder each, so that they run in parallel and each folder has a history.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.houses import own_url
from tests.engines.mongodb import MONGODB
from tests.engines.postgres import POSTGRES
from tests.engines.running import Engines
from tests.faults.server import Server

_BATCH = 5
ENGINES = os.environ.get("LLMCHAT_FAULT_ENGINES", f"sqlite,{POSTGRES.name},{MONGODB.name}").split(",")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rounds" in metafunc.fixturenames:
        wanted = int(os.environ.get("LLMCHAT_FAULT_ROUNDS", "10"))
        batches = [range(start, min(start + _BATCH, wanted)) for start in range(0, wanted, _BATCH)]
        metafunc.parametrize("rounds", batches, ids=[f"{batch.start}-{batch.stop - 1}" for batch in batches])


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Where all randomness of a test comes from; a test that fails shows the seed that gives the same moments again."""
    seed = os.environ.get("LLMCHAT_FAULT_SEED") or secrets.token_hex(8)
    print(f"LLMCHAT_FAULT_SEED={seed}")  # noqa: T201 # pytest shows it with a failure
    return random.Random(f"{seed} {request.node.nodeid}")  # noqa: S311 # not a secret


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> str:
    """Where the server keeps its documents: SQLite, or by indirect parametrization the name of another engine."""
    engine = getattr(request, "param", "sqlite")
    return f"sqlite:///{tmp_path / 'data'}" if engine == "sqlite" else own_url(engines(engine).url)


@pytest.fixture
async def server(tmp_path: Path, store_url: str) -> AsyncIterator[Server]:
    """A running server whose echo model says 400 words a second, each stored by itself as far as the disk can."""
    server = Server(
        tmp_path,
        {
            "STORE_URL": store_url,
            "ECHO_TOKENS_PER_SECOND": "400",
            "CHUNK_LINGER": "0",
            "REDELIVERY_INTERVAL": "0.2",
            "STOP_GRACE": "0.5",
        },
    )
    try:
        await server.start()
        yield server
    finally:
        await server.close()
