"""The five services as processes of their own on this machine, in replicas, with a Redis between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Self

from libs.client.redis_process import redis_serving
from libs.client.replica import Process, Replica
from libs.client.server_process import free_ports, server_process, until_serving
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES, address_setting

_REDIS = "redis"
_LOGS = "logs"
# Those that call the others most go first, Redis last of all.
_STOPPED_TOGETHER = (("messages", "operations"), ("users", "threads", "catalog"), (_REDIS,))


class Apart:
    """Redis and the services, kept running from `start` to `stop`, or for as long as the context lasts.

    The replicas share the data folder, and with it the secret key. A replica that dies is started again; one that is
    told to stop stays away. Each writes a log of its own into `logs` in the data folder.

    Attributes:
        replicas: All processes, by name and number; numbers begin with 1.
        addresses: By service the addresses of its replicas, as a client and the settings take them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int = 1,
        first_port: int = 0,
        bus_url: str = "",
        settings: Mapping[str, str] | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Args:
        folder: the data folder, which is made if need be.
        replicas: how many of each service.
        first_port: of consecutive ones for the services; 0 for free ones.
        bus_url: a Redis that is there already; left out, one is started.
        settings: for every service beside the environment, `{"LLMCHAT_…": …}`.
        tell: is called with a line for each death and each return.

        Raises:
            Invalid: what the settings say of TLS, which all processes share.
        """
        count = replicas * len(SERVICES)
        free = free_ports(count + 1)
        ports = iter(range(first_port, first_port + count) if first_port else free)
        places = {(name, number): f"127.0.0.1:{next(ports)}" for name in SERVICES for number in range(1, replicas + 1)}
        self.addresses = {
            name: ",".join(place for (service, _), place in places.items() if service == name) for name in SERVICES
        }
        self._folder = folder
        self._settings = {
            **(settings or {}),
            "LLMCHAT_STORE_URL": f"sqlite:///{folder}",
            "LLMCHAT_BUS_URL": bus_url or f"redis://127.0.0.1:{free[-1]}",
            **{address_setting(name): addresses for name, addresses in self.addresses.items()},
        }
        self._tls = Tls.of({**os.environ, **self._settings})
        self.replicas = {
            (name, number): self._service(name, number, address, tell) for (name, number), address in places.items()
        }
        if not bus_url:
            self.replicas[_REDIS, 1] = self._redis(free[-1], tell)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def replica(self, name: str, number: int = 1) -> Replica:
        """A process by its name: a service's or `redis`."""
        return self.replicas[name, number]

    async def start(self) -> None:
        """Returns once all serve.

        Raises:
            Precondition: this machine has no Redis.
            Unavailable: a process ended before it served.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / _LOGS).mkdir(exist_ok=True)
        for names in ((_REDIS,), SERVICES):
            await asyncio.gather(*(replica.start() for replica in self._named(names)))

    async def stop(self) -> None:
        """Ends all in an orderly way; what does not end is killed after a while."""
        for names in _STOPPED_TOGETHER:
            await asyncio.gather(*(replica.stop() for replica in self._named(names)))

    async def serving(self) -> None:
        """Returns as soon as none is down. Raises Precondition: one was told to stop."""
        await asyncio.gather(*(replica.serving() for replica in self.replicas.values()))

    def _named(self, names: Sequence[str]) -> list[Replica]:
        return [replica for replica in self.replicas.values() if replica.name in names]

    def _service(self, name: str, number: int, address: str, tell: Callable[[str], None]) -> Replica:
        log = self._log(name, number)

        @asynccontextmanager
        async def launch(settings: Mapping[str, str]) -> AsyncIterator[Process]:
            given = {**self._settings, **settings}
            async with server_process(f"services.{name}", address, given, log=log) as process:
                yield process

        ready = partial(until_serving, address=address, service=name, tls=self._tls, log=log)
        return Replica(name, number, address, launch, ready, tell)

    def _redis(self, port: int, tell: Callable[[str], None]) -> Replica:
        log = self._log(_REDIS, 1)

        @asynccontextmanager
        async def launch(settings: Mapping[str, str]) -> AsyncIterator[Process]:
            async with redis_serving(port, log=log) as redis:
                yield redis.process

        async def ready(process: Process) -> None:
            """It answers from the first moment that it is known."""

        return Replica(_REDIS, 1, f"127.0.0.1:{port}", launch, ready, tell)

    def _log(self, name: str, number: int) -> Path:
        return self._folder / _LOGS / f"{name}-{number}.log"
