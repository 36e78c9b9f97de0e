"""Calls between machines: requests, answers and streams get lost, come late, and end when a machine dies."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc import aio

from libs.common.context import Call, Caller, current_call, enter_call
from libs.common.errors import Conflict, DeadlineExceeded, DomainError, Unavailable
from libs.common.rpc.method import Method, read_methods
from tests.simulation.loop import MACHINE, OUTSIDE, Machine, settle

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.simulation import Simulation

S = TypeVar("S")
_DEFAULT_DEADLINE = 10.0


class SimulatedServer:
    """In the place of a process's `Server`: what it serves, for the network to find."""

    def __init__(self, listen: str, *, notice: float, **_: Any) -> None:
        self._notice = notice
        self.on_stopping: list[Callable[[], Awaitable[None]]] = []
        self.address = listen
        self.methods: dict[str, tuple[Method, Any]] = {}
        self.is_serving = False
        self.exchanges: dict[Exchange, None] = {}

    def bind(self) -> None:
        """There is no address to take."""

    def add(self, service: ServiceDescriptor, servicer: object) -> None:
        """See `Server.add`."""
        for method in read_methods(service):
            self.methods[method.path] = (method, getattr(servicer, method.name))

    async def report(self, name: str, *, healthy: bool) -> None:
        """See `Server.report`."""

    async def start(self) -> int:
        """See `Server.start`."""
        self.is_serving = True
        return 0

    async def stop(self, grace: float) -> None:
        """See `Server.stop`."""
        await asyncio.sleep(self._notice)
        await asyncio.gather(*(tell() for tell in self.on_stopping))
        self.is_serving = False
        tasks = [exchange.task for exchange in self.exchanges if exchange.task is not None]
        if tasks:
            _, running = await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                if task in running:
                    task.cancel()


@dataclass(slots=True, eq=False)
class Exchange:
    """One call under way: what the server answers with, in order, and the end of it."""

    client: Machine | None
    arrived: deque[bytes] = field(default_factory=deque)
    ended: bool = False
    error: DomainError | None = None
    waiter: asyncio.Future[None] | None = None
    task: asyncio.Task[None] | None = None
    # When the last of what is under way arrives: a connection keeps its order.
    latest: float = 0.0

    def wake(self) -> None:
        """Has the client look."""
        if self.waiter is not None:
            settle(self.waiter, None, None)


class Network:
    """Finds who serves, carries what is said, and drops it as the weather is."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._exchanges: dict[Exchange, None] = {}

    def begin(self, service: str, path: str, body: bytes, call: Call) -> Exchange:
        """Sends a request; it arrives after a while."""
        exchange = Exchange(MACHINE.get())
        self._exchanges[exchange] = None
        loop, simulation = self._simulation.loop, self._simulation
        loop.call_later(simulation.hop(), self._arrive, exchange, service, path, body, call, context=OUTSIDE)
        return exchange

    def abandon(self, exchange: Exchange) -> None:
        """The client has gone: the server finds out after a while."""
        self._exchanges.pop(exchange, None)
        if not exchange.ended:
            self._simulation.loop.call_later(self._simulation.hop(), _cancel, exchange, context=OUTSIDE)

    def forget(self, node: Node) -> None:
        """A machine has died: who waits for it and whom it waits for find out."""
        for exchange in tuple(node.simulated_server.exchanges):
            self._say(exchange, None, Unavailable("the connection broke"))
        for exchange in tuple(self._exchanges):
            if exchange.client is node:
                self.abandon(exchange)

    def _arrive(self, exchange: Exchange, service: str, path: str, body: bytes, call: Call) -> None:
        simulation = self._simulation
        node = simulation.pick(service)
        if node is None or simulation.chance(simulation.weather.request_lost):
            self._say(exchange, None, Unavailable(f"nobody answers for {service}"))
            return
        simulation.trace.note("call", node.name, path)
        method, serve = node.simulated_server.methods[path]
        node.simulated_server.exchanges[exchange] = None
        exchange.task = simulation.loop.create_task(
            self._serve(exchange, node, method, serve, body, call), context=node.context.copy()
        )

    async def _serve(
        self, exchange: Exchange, node: Node, method: Method, serve: Callable[..., Any], body: bytes, call: Call
    ) -> None:
        enter_call(call)
        error: DomainError | None = None
        try:
            request = method.request.FromString(body)
            if method.server_streaming:
                async with aclosing(cast("AsyncGenerator[Message, None]", serve(request, call))) as answers:
                    async for answer in answers:
                        if self._simulation.chance(self._simulation.weather.stream_broken):
                            raise Unavailable("the stream broke")
                        self._say(exchange, answer.SerializeToString(), None)
            else:
                answer = await serve(request, call)
                if self._simulation.chance(self._simulation.weather.answer_lost):
                    raise Unavailable("the answer is lost")
                self._say(exchange, answer.SerializeToString(), None)
        except DomainError as refusal:
            error = refusal
            if isinstance(refusal, Conflict):
                self._simulation.violate(f"{method.path} let a Conflict out")
        except asyncio.CancelledError:
            error = Unavailable("the call was cut off")
        except Exception as bug:
            self._simulation.violate(f"{method.path} failed: {bug!r}")
            error = DomainError("an internal error", reason="INTERNAL")
        finally:
            node.simulated_server.exchanges.pop(exchange, None)
        self._say(exchange, None, error)

    def _say(self, exchange: Exchange, answer: bytes | None, error: DomainError | None) -> None:
        """Sends an answer, or with None the end."""
        loop = self._simulation.loop
        exchange.latest = max(exchange.latest, loop.time() + self._simulation.hop())
        loop.call_at(exchange.latest, self._hear, exchange, answer, error, context=OUTSIDE)

    def _hear(self, exchange: Exchange, answer: bytes | None, error: DomainError | None) -> None:
        if exchange.ended:
            return
        if answer is not None:
            exchange.arrived.append(answer)
        else:
            exchange.ended, exchange.error = True, error
            self._exchanges.pop(exchange, None)
        exchange.wake()


def _cancel(exchange: Exchange) -> None:
    if exchange.task is not None:
        exchange.task.cancel()


class SimulatedChannels:
    """In the place of a service's `Channels`: its calls to the other services."""

    def __init__(self, simulation: Simulation, service: str) -> None:
        self._simulation = simulation
        self._service = service

    def stub(self, service: str, stub: Callable[[aio.Channel], S]) -> S:
        """See `Channels.stub`."""
        return stub(cast("aio.Channel", _Outgoing(self._simulation, self._service, service)))

    async def close(self) -> None:
        """See `Channels.close`."""


class _Outgoing:
    def __init__(self, simulation: Simulation, caller: str, service: str) -> None:
        self._simulation = simulation
        self._caller = caller
        self._service = service

    def unary_unary(self, path: str, **codec: Any) -> Callable[[Message], Awaitable[Message]]:
        async def invoke(request: Message) -> Message:
            remaining = current_call().remaining()
            seconds = _DEFAULT_DEADLINE if remaining is None else remaining
            exchange = self._begin(path, codec, request, seconds)
            try:
                async with asyncio.timeout(seconds):
                    while not exchange.ended and not exchange.arrived:
                        await _news(exchange)
            except TimeoutError:
                raise DeadlineExceeded(f"{path} took too long") from None
            finally:
                self._simulation.network.abandon(exchange)
            if exchange.arrived:
                return cast(Message, codec["response_deserializer"](exchange.arrived.popleft()))
            raise exchange.error or AssertionError("an answer or an error")

        return invoke

    def unary_stream(self, path: str, **codec: Any) -> Callable[[Message], AsyncGenerator[Message, None]]:
        async def invoke(request: Message) -> AsyncGenerator[Message, None]:
            exchange = self._begin(path, codec, request, current_call().remaining())
            try:
                while True:
                    while exchange.arrived:
                        yield codec["response_deserializer"](exchange.arrived.popleft())
                    if exchange.ended:
                        break
                    await _news(exchange)
                if exchange.error is not None:
                    raise exchange.error
            finally:
                self._simulation.network.abandon(exchange)

        return invoke

    def stream_unary(self, path: str, **codec: Any) -> None:
        """See `Channels`: RPCs that take a stream are none for services."""

    def _begin(self, path: str, codec: Mapping[str, Any], request: Message, seconds: float | None) -> Exchange:
        call = current_call()
        caller = Caller(call.caller.user_id, self._caller, call.caller.is_admin)
        deadline = None if seconds is None else time.monotonic() + seconds
        passed_on = Call(path, caller, call.request_id, "", deadline)
        return self._simulation.network.begin(self._service, path, codec["request_serializer"](request), passed_on)


async def _news(exchange: Exchange) -> None:
    exchange.waiter = asyncio.get_running_loop().create_future()
    await exchange.waiter
