"""One open store per test, of every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.store.port import Store
from tests.conformance.specimens import OPENERS


@pytest.fixture(params=OPENERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = OPENERS[request.param](tmp_path)
    yield opened
    await opened.close()
