"""A container's health check: what `python -m libs.common.rpc.probe` says of the server with the same settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from libs.client.server_process import free_ports
from libs.common.settings import SERVICES
from tests.integration.conftest import House, open_house
from tests.standins.certificates import StandInAuthority


async def probe(settings: Mapping[str, str]) -> tuple[int | None, str]:
    """Its exit code and what it says."""
    command = (sys.executable, "-m", "libs.common.rpc.probe")
    environment = {**os.environ, **settings}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_server_that_serves_is_healthy(house: House) -> None:
    assert await probe({"LLMCHAT_LISTEN": house.address}) == (0, "")


async def test_a_server_that_says_that_it_does_not_serve_is_not(house: House) -> None:
    await house.process.server.report("", healthy=False)

    code, said = await probe({"LLMCHAT_LISTEN": house.address})

    assert code == 1
    assert "NOT_SERVING" in said


async def test_nobody_is_not_healthy() -> None:
    code, said = await probe({"LLMCHAT_LISTEN": f"127.0.0.1:{free_ports(1)[0]}"})

    assert code == 1
    assert "UNAVAILABLE" in said


async def test_a_server_over_mutual_tls_is_asked_with_its_own_certificate(tmp_path: Path) -> None:
    (tmp_path / "authority").mkdir()
    files = StandInAuthority(tmp_path / "authority").issue(*SERVICES)
    async with open_house(tmp_path / "data", **files.settings) as house:
        assert await probe({"LLMCHAT_LISTEN": house.address, **files.environment}) == (0, "")
        assert (await probe({"LLMCHAT_LISTEN": house.address}))[0] == 1
