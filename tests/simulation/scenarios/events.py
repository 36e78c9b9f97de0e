"""Events alone: owners emit, consumers count. Each event has its effect once, in order, and all are settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import GenerationFinished, ThreadDeleted, UserDataRemoved, UserDeleted
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.inbox import Handler
from libs.common.events.outbox import Outbox
from libs.common.events.table import EVENTS
from libs.common.process import Bootstrap, Process
from libs.common.store.port import CollectionSpec
from tests.simulation.isolation import Provoked
from tests.simulation.node import Node
from tests.simulation.simulation import Simulation

# At an owner: `total_messages` events are emitted about an aggregate. At a consumer: `active_models` lists the steps
# of their effects, as they were done.
LEDGERS = CollectionSpec("ledgers", Thread)
_SETTLED_WITHIN = 120.0
_FAILING = 0.15


@dataclass(frozen=True, slots=True)
class _Kind:
    """An event type as this scenario uses it: its payload carries an aggregate and a number."""

    owner: str
    steps: int
    write: Callable[[str, int], Message]
    read: Callable[[Message], tuple[str, int]]
    # What the effect emits in turn, and at which consumer.
    follow_up: tuple[str, str] = ("", "")


_KINDS = {
    "thread.deleted": _Kind(
        "threads",
        3,
        lambda aggregate, number: ThreadDeleted(thread_id=aggregate, user_id=str(number)),
        lambda event: (event.thread_id, int(event.user_id)),  # type: ignore[attr-defined]
    ),
    "user.deleted": _Kind(
        "users",
        2,
        lambda aggregate, number: UserDeleted(user_id=aggregate, operation_id=str(number)),
        lambda event: (event.user_id, int(event.operation_id)),  # type: ignore[attr-defined]
        ("threads", "user.data_removed"),
    ),
    "generation.finished": _Kind(
        "messages",
        1,
        lambda aggregate, number: GenerationFinished(thread_id=aggregate, messages=number),
        lambda event: (event.thread_id, event.messages),  # type: ignore[attr-defined]
    ),
    "user.data_removed": _Kind(
        "threads",
        1,
        lambda aggregate, number: UserDataRemoved(service=aggregate, messages=number),
        lambda event: (event.service, event.messages),  # type: ignore[attr-defined]
    ),
}
_SERVICES = ("users", "threads", "messages", "operations")
Emit = Callable[[str, str, int], Awaitable[None]]


async def run(simulation: Simulation) -> None:
    """Emits through storms, waits for the calm, and counts."""
    random = simulation.random
    emitters: dict[tuple[Node, str], Emit] = {}
    bootstraps = {service: _bootstrap(simulation, service, emitters) for service in _SERVICES}
    simulation.start_all(bootstraps, {service: random.randint(1, 3) for service in _SERVICES})
    emitted = {
        (type, f"{type}.{aggregate}"): random.randint(1, 4)
        for type in ("thread.deleted", "user.deleted", "generation.finished")
        for aggregate in range(random.randint(0, 2))
    }
    simulation.storm()
    async with asyncio.TaskGroup() as tasks:
        load = [
            tasks.create_task(_emit_all(simulation, emitters, type, aggregate, number))
            for (type, aggregate), number in emitted.items()
        ]
        if load:
            await asyncio.wait(load, timeout=random.choice((2, 10, 40)))
        await asyncio.sleep(random.choice((0, 5, 20)))
        simulation.calm()
    await simulation.settled(simulation.is_settled, _SETTLED_WITHIN, "all events are settled")
    _check(simulation, emitted)


def _bootstrap(simulation: Simulation, service: str, emitters: dict[tuple[Node, str], Emit]) -> Bootstrap:
    async def bootstrap(process: Process) -> None:
        documents = await process.documents(service, (LEDGERS,))
        outbox = process.outbox(service, documents)
        handlers = {
            type: _handler(simulation, service, outbox, type)
            for type, kind in _KINDS.items()
            if service in EVENTS[type].consumers
        }
        if handlers:
            process.consume(service, documents, process.channels(service), handlers)
        assert isinstance(process, Node)
        emitters[process, service] = _emitter(documents, outbox)

    return bootstrap


def _emitter(documents: Documents, outbox: Outbox) -> Emit:
    async def emit(type: str, aggregate: str, number: int) -> None:
        async def work(unit: Unit) -> None:
            ledger = await unit.find(LEDGERS, aggregate) or Thread(id=aggregate)
            if ledger.total_messages < number:
                ledger.total_messages = number
                unit.put(LEDGERS, ledger)
                outbox.emit(unit, type, aggregate, _KINDS[type].write(aggregate, number))

        await documents.unit(work)

    return emit


def _handler(simulation: Simulation, service: str, outbox: Outbox, type: str) -> Handler:
    kind = _KINDS[type]

    async def handle(unit: Unit, event: Message, progress: str) -> str | None:
        aggregate, number = kind.read(event)
        step = int(progress or "0") + 1
        ledger = await unit.find(LEDGERS, aggregate) or Thread(id=aggregate)
        if not simulation.is_calm and simulation.chance(_FAILING):
            raise Provoked("the effect fails")
        ledger.active_models.append(f"{number}/{step}")
        unit.put(LEDGERS, ledger)
        if step < kind.steps:
            return str(step)
        consumer, follow_up = kind.follow_up
        if consumer == service:
            about = f"{follow_up}.{aggregate}"
            outbox.emit(unit, follow_up, about, _KINDS[follow_up].write(about, number))
        return None

    return handle


async def _emit_all(
    simulation: Simulation, emitters: dict[tuple[Node, str], Emit], type: str, aggregate: str, number: int
) -> None:
    """Emits the events about an aggregate one after the other, each until it is known to be stored."""
    owner = _KINDS[type].owner
    for one in range(1, number + 1):
        await asyncio.sleep(simulation.random.choice((0, 0.001, 0.1, 2)))
        while True:
            node = simulation.pick(owner)
            if node is not None and await simulation.on(
                node, partial(emitters[node, owner], type, aggregate, one), 3.0
            ):
                break
            await asyncio.sleep(0.1)


def _check(simulation: Simulation, emitted: dict[tuple[str, str], int]) -> None:
    for (type, aggregate), number in emitted.items():
        kind = _KINDS[type]
        stored = simulation.engine(kind.owner).find(LEDGERS, aggregate)
        simulation.require(stored is not None and stored.total_messages == number, f"{aggregate}: emitted is stored")
        wanted = [f"{one}/{step}" for one in range(1, number + 1) for step in range(1, kind.steps + 1)]
        for consumer in EVENTS[type].consumers:
            _compare(simulation, consumer, aggregate, wanted)
        consumer, follow_up = kind.follow_up
        if consumer:
            wanted = [f"{one}/1" for one in range(1, number + 1)]
            for service in EVENTS[follow_up].consumers:
                _compare(simulation, service, f"{follow_up}.{aggregate}", wanted)


def _compare(simulation: Simulation, consumer: str, aggregate: str, wanted: list[str]) -> None:
    ledger = simulation.engine(consumer).find(LEDGERS, aggregate)
    done = list(ledger.active_models) if ledger else []
    simulation.require(done == wanted, f"{consumer} has done {done} of {aggregate}, not {wanted}")
