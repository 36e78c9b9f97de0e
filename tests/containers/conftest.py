"""One image and one composition for all tests here; they need a Docker engine, and fail where none answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from libs.client import Client
from tests.containers.composition import Composition, build_image, composed

# Seconds; the first includes what PostgreSQL takes to make its data.
_SERVING = 120.0
PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def image() -> None:
    """The image, built of this work tree."""
    build_image()


@pytest.fixture(scope="session")
def composition(image: None) -> Iterator[Composition]:
    """All services in two replicas, PostgreSQL and Redis; nothing of it is left behind."""
    with composed() as composition:
        yield composition
    assert composition.what_is_left() == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def token(composition: Composition) -> str:
    """Ada's, who comes as soon as the services serve."""
    async with Client(addresses=composition.addresses, timeout=_SERVING) as client:
        await client.register("ada@example.com", "Ada", PASSWORD)
        return (await client.login("ada@example.com", PASSWORD)).access_token


@pytest_asyncio.fixture(loop_scope="session")
async def ada(composition: Composition, token: str) -> AsyncIterator[Client]:
    """Ada, from outside the containers."""
    async with Client(addresses=composition.addresses, token=token) as client:
        yield client
