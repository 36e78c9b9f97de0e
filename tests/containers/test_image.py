"""The image: what a container of it may do, what it holds, and how it says that it serves."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.containers.composition import IMAGE, docker, health_of
from tests.integration.calling import eventually


@pytest.fixture
def container(image: None) -> Iterator[str]:
    """All services in one container that may do and write as little as possible; the volume is its data folder."""
    volume = f"llmchat-{uuid.uuid4().hex[:8]}"
    bounds = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108
    container = docker("run", "--detach", *bounds, "--volume", f"{volume}:/var/lib/llmchat", IMAGE)
    yield container
    docker("rm", "--force", container)
    docker("volume", "rm", volume)


async def test_it_becomes_healthy_on_a_file_system_that_it_cannot_write_to(container: str) -> None:
    async def health() -> str:
        return health_of(container)

    assert await eventually(health, lambda health: health != "starting", within=60) == "healthy"
    assert "A " not in docker("diff", container)


async def test_nobody_in_it_is_root(container: str) -> None:
    assert docker("exec", container, "id", "-u") == "10001"
    assert {line.split()[1] for line in docker("top", container, "-eo", "pid,uid").splitlines()[1:]} == {"10001"}


async def test_it_has_no_pip_and_no_tests(container: str) -> None:
    found = docker(
        "exec", container, "python", "-c", "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('tests'))"
    )

    assert found == "None None"
