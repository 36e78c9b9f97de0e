"""One open store per test, of every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.store.port import Store
from tests.conformance.places import PROVIDERS, Place
from tests.engines.running import Engines


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest, tmp_path: Path, engines: Engines) -> Place:
    """A new and empty place for documents, of every provider; `DURABLE` by indirect parametrization."""
    return Place.of(request.param, tmp_path, engines)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """An empty store."""
    opened = await place.open()
    yield opened
    await opened.close()
