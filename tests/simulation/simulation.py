"""One run: the machines, what connects them, what goes wrong, and what was found to be broken."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TypeVar

from libs.common.documents.system import OUTBOX
from libs.common.errors import DomainError
from libs.common.process import Bootstrap
from tests.simulation.bus import Wire
from tests.simulation.loop import OUTSIDE, VirtualLoop, settle
from tests.simulation.network import Network, SimulatedChannels
from tests.simulation.node import Node, Place
from tests.simulation.store import Engine, Look
from tests.simulation.trace import Trace
from tests.simulation.weather import CALM, FREEZES, Weather, draw

T = TypeVar("T")
# The first moment of every run, in milliseconds of the epoch.
_BEGINNING = 1_800_000_000_000
# Of runs.
_EMBEDDED = 0.2
_MOST_STEPS = 2_000_000


class Violation(Exception):
    """A promise is broken."""


class Simulation:
    """Everything random comes from `seed`: the weather too."""

    def __init__(self, seed: int, trace: Trace) -> None:
        self.random = Random(seed)  # noqa: S311 # the same in every run
        self.trace = trace
        self.loop = VirtualLoop(_MOST_STEPS)  # type: ignore[abstract] # it has what is used
        self.loop.on_failure = self.violate
        trace.clock = self.loop.time
        self.weather: Weather = draw(self.random)
        self.network = Network(self)
        self.wire = Wire(self)
        self.engines: dict[str, Engine] = {}
        self.nodes: dict[Place, Node] = {}
        self.violations: list[str] = []
        self._observers: defaultdict[str, list[Look]] = defaultdict(list)
        self.is_calm = False
        self._started = 0

    # Chance and time.

    def chance(self, probability: float) -> bool:
        """Whether something of that probability happens now."""
        return probability > 0 and self.random.random() < probability

    def hop(self) -> float:
        """Seconds that something takes from one machine to another."""
        seconds = self.weather.hop * self.random.expovariate(1)
        return seconds * 50 if self.chance(self.weather.slow) else seconds

    def now_ms(self) -> int:
        """Milliseconds of the epoch, by a clock that is right."""
        return _BEGINNING + int(self.loop.time() * 1000)

    # What is found.

    def violate(self, text: str) -> None:
        """Notes a broken promise; the run goes on."""
        if text in self.violations or self.loop.is_closed():
            return
        self.trace.note("VIOLATION", text)
        self.violations.append(text)

    def require(self, held: bool, text: str) -> None:
        """Notes a broken promise unless it `held`."""
        if not held:
            self.violate(text)

    # Machines.

    def engine(self, service: str) -> Engine:
        """What a service's replicas store in."""
        if service not in self.engines:
            self.engines[service] = Engine(service, self._observers[service])
        return self.engines[service]

    def observe(self, service: str, look: Look) -> None:
        """Has every commit of a service's looked at."""
        self._observers[service].append(look)

    def channels(self, service: str = "") -> SimulatedChannels:
        """Stubs of the services, for calls from outside, or in the name of one of them."""
        return SimulatedChannels(self, service)

    def start_all(self, bootstraps: Mapping[str, Bootstrap], replicas: Mapping[str, int]) -> None:
        """Starts so many processes of each service; in some runs one process with all of them, as the embedded way."""
        if self.chance(_EMBEDDED):
            self.start(Place("house", tuple(bootstraps), tuple(bootstraps.values()), alone=True))
            return
        for service, bootstrap in bootstraps.items():
            for replica in range(replicas[service]):
                self.start(Place(f"{service}{replica}", (service,), (bootstrap,)))

    def start(self, place: Place) -> None:
        """Begins a new process at `place`, in the place of a dead one."""
        self._started += 1
        node = Node(self, place, self._started)
        self.nodes[place] = node
        self.trace.note("start", node.name)
        self.loop.create_task(self._boot(node), context=node.context.copy())

    async def _boot(self, node: Node) -> None:
        await asyncio.sleep(self.hop())
        try:
            await node.boot()
        except Exception as error:
            # A process that does not come up ends, and whoever looks after it starts another.
            self.trace.note("no start", node.name, repr(error))
            self.loop.call_later(0, self.kill, node, "no start", context=OUTSIDE)

    def pick(self, service: str) -> Node | None:
        """A process that serves `service` now."""
        serving = [
            node
            for node in self.nodes.values()
            if service in node.place.services and not node.dead and node.simulated_server.is_serving
        ]
        return self.random.choice(serving) if serving else None

    def kill(self, node: Node, why: str, seconds: float | None = None) -> None:
        """Ends a process in the middle of whatever it does; another one starts at its place after `seconds`."""
        if node.dead:
            return
        self.trace.note("kill", node.name, why)
        node.dead = True
        self.wire.remove_all(node)
        self.network.forget(node)
        if seconds is None:
            seconds = self.random.choice((0.1, 1.0, 5.0, 20.0))
        self.loop.call_later(seconds, self._restart, node, context=OUTSIDE)

    def freeze(self, node: Node, seconds: float) -> None:
        """Has a process stand still, then go on as if nothing had been."""
        if node.dead or node.frozen:
            return
        self.trace.note("freeze", node.name, f"{seconds:.3f}")
        node.frozen = True
        self.loop.call_later(seconds, self.loop.resume, node, context=OUTSIDE)

    def stop(self, node: Node) -> None:
        """Ends a process in order, as a rolling restart does."""
        self.trace.note("stop", node.name)
        self.loop.create_task(self._leave(node), context=node.context.copy())

    async def _leave(self, node: Node) -> None:
        try:
            await node.leave()
        finally:
            self.loop.call_later(0, self.kill, node, "stopped", 0.1, context=OUTSIDE)

    def _restart(self, node: Node) -> None:
        if self.nodes[node.place] is node:
            self.start(node.place)

    # Weather.

    def storm(self) -> None:
        """Lets the blows begin."""
        if self.weather.blow_steps:
            self.loop.before_step = self._blow
            self._next_blow()

    def calm(self) -> None:
        """Nothing goes wrong any more, but for a bus that is away for good: who is dead or frozen comes back."""
        self.trace.note("calm")
        self.is_calm = True
        lost = self.weather.bus_lost
        self.weather = replace(CALM, bus_lost=lost, gap_told=0.0) if lost == 1.0 else CALM
        self.loop.attention = self.loop.most_steps
        for engine in self.engines.values():
            engine.is_away = False
        self.wire.come_back()

    def _next_blow(self) -> None:
        self.loop.attention = self.loop.steps + 1 + int(self.random.expovariate(1 / self.weather.blow_steps))

    def _blow(self) -> None:
        self._next_blow()
        alive = [node for node in self.nodes.values() if not node.dead]
        kind = self.random.choice(("kill", "kill", "kill", "freeze", "stop", "bus", "store"))
        if kind == "bus":
            self._away(self.wire, self.wire.come_back)
        elif kind == "store" and self.engines:
            engine = self.random.choice(list(self.engines.values()))
            self._away(engine, lambda: setattr(engine, "is_away", False))
        elif alive:
            node = self.random.choice(alive)
            if kind == "kill":
                self.kill(node, "a blow")
            elif kind == "freeze":
                self.freeze(node, self.random.choice(FREEZES))
            elif node.simulated_server.is_serving:
                self.stop(node)

    def _away(self, what: Wire | Engine, come_back: Callable[[], object]) -> None:
        if what.is_away:
            return
        what.is_away = True
        seconds = self.random.choice((0.1, 1.0, 10.0))
        self.trace.note("away", type(what).__name__, getattr(what, "service", ""), seconds)
        self.loop.call_later(seconds, come_back, context=OUTSIDE)

    # Waiting.

    async def on(self, node: Node, work: Callable[[], Awaitable[object]], within: float) -> bool:
        """Runs `work` on a machine; whether it is known to have succeeded `within` so many seconds."""
        done: asyncio.Future[bool] = self.loop.create_future()

        async def tell() -> None:
            try:
                await work()
            except DomainError as error:
                self.trace.tell(f"{node.name} refuses: {error!r}")
                settle(done, False, None)
            else:
                settle(done, True, None)

        self.loop.create_task(tell(), context=node.context.copy())
        try:
            async with asyncio.timeout(within):
                return await done
        except TimeoutError:
            return False

    def is_settled(self) -> bool:
        """Whether no event waits for anybody."""
        return not any(engine.all(OUTBOX) for engine in self.engines.values())

    async def settled(self, is_settled: Callable[[], bool], within: float, what: str) -> None:
        """Returns once `is_settled`; a violation where that takes longer than `within` seconds.

        Raises:
            Violation: it took longer.
        """
        end = self.loop.time() + within
        while not is_settled():
            if self.loop.time() > end:
                raise Violation(f"{what} not within {within:.0f} s")
            await asyncio.sleep(0.5)


Scenario = Callable[[Simulation], Awaitable[None]]
