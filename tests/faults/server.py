"""The embedded server as a child process that is killed without warning."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.common.clock import wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from tests.integration.conftest import Person, connected

SECRET = "c29tZSAzMiBieXRlcyB0aGF0IG5vYm9keSBrbm93cy4="
_START_SECONDS = 60
_SERVING = re.compile(rb"serving on (\S+)\n")


class Server:
    """`python -m services` on a data folder; a new start after a kill serves the same folder on another port."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """`settings` without their prefix: `{"ECHO_TOKENS_PER_SECOND": "100"}`."""
        self.folder = folder / "data"
        self.address = ""
        self._log = folder / "server.log"
        self._environment = {
            **os.environ,
            "LLMCHAT_LISTEN": "127.0.0.1:0",
            "LLMCHAT_STORE_URL": f"sqlite:///{self.folder}",
            "LLMCHAT_SECRET_KEY": SECRET,
            **{f"LLMCHAT_{name}": value for name, value in settings.items()},
        }
        self.store_url = self._environment["LLMCHAT_STORE_URL"]
        self._tokens = Tokens(KeyRing.parse(SECRET).derive("tokens"), wall_clock)
        self._process: asyncio.subprocess.Process | None = None

    def visit(self, user_id: str | None = None) -> AbstractAsyncContextManager[Person]:
        """Somebody who is signed in, over a connection of their own."""
        return connected(self.address, self._tokens, user_id)

    async def start(self) -> None:
        """Returns once health says SERVING."""
        logged = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            command = (sys.executable, "-m", "services")
            self._process = await asyncio.create_subprocess_exec(*command, env=self._environment, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while (serving := _SERVING.search(self._log.read_bytes()[logged:])) is None:
            assert self._process.returncode is None, f"the server ended: {self._log.read_text()}"
            assert time.monotonic() < deadline, f"the server does not start: {self._log.read_text()}"
            await asyncio.sleep(0.02)
        self.address = serving[1].decode()
        async with aio.insecure_channel(self.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            check = health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=_START_SECONDS)
            ended = asyncio.create_task(self._process.wait())
            await asyncio.wait((asyncio.ensure_future(check), ended), return_when=asyncio.FIRST_COMPLETED)
            assert not ended.done(), f"the server ended: {self._log.read_text()}"
            ended.cancel()
            assert (await check).status == health_pb2.HealthCheckResponse.SERVING

    def freeze(self) -> None:
        """SIGSTOP: it does nothing until `thaw`, and does not know that."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL, now; returns once the process is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM; returns once the process has ended by itself, as it should."""
        assert await self._end(signal.SIGTERM) == 0, f"an orderly stop failed: {self._log.read_text()}"

    async def dies(self) -> None:
        """Returns once a failpoint has killed the process."""
        assert self._process is not None
        async with asyncio.timeout(_START_SECONDS):
            assert await self._process.wait() == -signal.SIGKILL

    async def close(self) -> None:
        """Leaves no process behind, whatever happened."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def _end(self, number: signal.Signals) -> int:
        process = self._signal(number)
        async with asyncio.timeout(_START_SECONDS):
            return await process.wait()

    def _signal(self, number: signal.Signals) -> asyncio.subprocess.Process:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process
