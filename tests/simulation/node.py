"""One process of the system, as the product wires it, on a machine that may die."""

from __future__ import annotations

from contextlib import AsyncExitStack
from contextvars import Context
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from libs.common.caching.in_process_cache import InProcessCache
from libs.common.crypto.keys import KeyRing, SecretKey
from libs.common.events.bus import Bus
from libs.common.events.in_process_bus import InProcessBus
from libs.common.process import Bootstrap, Process
from libs.common.settings import Settings
from tests.simulation.bus import SimulatedBus
from tests.simulation.loop import MACHINE, OUTSIDE, Machine
from tests.simulation.network import SimulatedServer

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

_KEYS = KeyRing((SecretKey(bytes(32)),))


@cache
def _settings(bus_url: str) -> Settings:
    return Settings(listen="simulated", store_url="memory://", bus_url=bus_url, limits="off")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process after the other runs the same services. `alone`: no other place does, and it needs no bus."""

    name: str
    services: tuple[str, ...]
    bootstraps: tuple[Bootstrap, ...]
    alone: bool = False


class Node(Machine, Process):
    """A process at a place, from its start to its end. The next one there has another name."""

    def __init__(self, simulation: Simulation, place: Place, number: int) -> None:
        Machine.__init__(self)
        self.simulation = simulation
        self.place = place
        self.name = f"{place.name}.{number}"
        self.skew = round(simulation.random.uniform(-1, 1) * simulation.weather.skew * 1000)
        # What runs in copies of it runs on this machine.
        self.context: Context = OUTSIDE.copy()
        self.context.run(MACHINE.set, self)
        cache = InProcessCache(now=lambda: self.now() / 1000) if place.alone else None
        bus: Bus = InProcessBus() if place.alone else SimulatedBus(simulation, simulation.wire, self)
        settings = _settings("memory://" if place.alone else "redis://simulated")
        stack = AsyncExitStack()
        self.context.run(Process.__init__, self, settings, bus, _KEYS, self.now, stack, replica=self.name, cache=cache)

    @property
    def simulated_server(self) -> SimulatedServer:
        """What the network finds here."""
        return cast(SimulatedServer, self.server)

    def now(self) -> int:
        """This machine's clock, in milliseconds of the epoch."""
        return self.simulation.now_ms() + self.skew

    async def boot(self) -> None:
        """Wires the services and serves."""
        for bootstrap in self.place.bootstraps:
            await bootstrap(self)
        await self.start()

    async def leave(self) -> None:
        """An orderly end."""
        await self.stop()
        await self.stack.aclose()
