"""The engine that a service's replicas share: it keeps what was committed, takes its time, and may be away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from libs.common.errors import Conflict, DomainError, Unavailable
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, M, Put, Query, Search, Store, Stored, Write
from tests.simulation.loop import OUTSIDE, settle
from tests.simulation.weather import FREEZES

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.simulation import Simulation

T = TypeVar("T")
# Is told of a commit that is stored.
Look = Callable[[Sequence[Write]], None]


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class Engine:
    """What survives: one per service. Empty until a process opens it."""

    def __init__(self, service: str, observers: Sequence[Look]) -> None:
        self.service = service
        self.is_away = False
        self.store = MemoryStore(())
        self._observers = observers
        self._is_open = False

    def open(self, specs: Sequence[CollectionSpec[Any]]) -> None:
        """Makes it hold these collections, where nobody has done so before."""
        if not self._is_open:
            self.store = MemoryStore(specs)
            self._is_open = True

    def all(self, spec: CollectionSpec[M]) -> list[M]:
        """Every document of a collection, in the order of ids."""
        found: list[M] = []
        after = None
        while self._is_open and (page := at_once(self.store.query(Query.by_id(spec, after=after)))):
            found += [stored.message for stored in page]
            after = page[-1].id
        return found

    def find(self, spec: CollectionSpec[M], id: str) -> M | None:
        """The document as it is stored."""
        stored = at_once(self.store.get(spec, id)) if self._is_open else None
        return None if stored is None else stored.message

    def commit(self, writes: Sequence[Write]) -> None:
        """Stores them."""
        at_once(self.store.commit(writes))
        for look in self._observers:
            look(writes)


class SimulatedStore:
    """A `Store`: one machine's connection to an engine."""

    def __init__(self, simulation: Simulation, engine: Engine, node: Node) -> None:
        self._simulation = simulation
        self._engine = engine
        self._node = node

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """See `Store.get`."""
        return await self._read(lambda store: store.get(spec, id))

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """See `Store.get_many`."""
        return await self._read(lambda store: store.get_many(spec, ids))

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """See `Store.query`."""
        return await self._read(lambda store: store.query(query))

    async def count(self, query: Query[M]) -> int:
        """See `Store.count`."""
        return await self._read(lambda store: store.count(query))

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """See `Store.search`."""
        return await self._read(lambda store: store.search(search))

    async def commit(self, writes: Sequence[Write]) -> None:
        """See `Store.commit`. What was handed in is carried out, whether its caller lives on, is cancelled or dies."""
        if not writes:
            return
        loop, simulation = self._simulation.loop, self._simulation
        if simulation.chance(simulation.weather.freeze_at_commit):
            # What it decided to write is written when it wakes.
            simulation.freeze(self._node, simulation.random.choice(FREEZES))
            await asyncio.sleep(0)
        answer: asyncio.Future[None] = loop.create_future()
        # As messages are when they are handed in.
        loop.call_later(simulation.hop(), self._apply, _copied(writes), answer, context=OUTSIDE)
        await answer

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._read(lambda store: store.ping())

    async def close(self) -> None:
        """The engine stays."""

    async def _read(self, read: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
        simulation = self._simulation
        await asyncio.sleep(simulation.hop())
        self._require_there()
        found = at_once(read(self._engine.store))
        # Its answer is under way while others write on.
        if simulation.chance(0.5):
            await asyncio.sleep(simulation.hop())
        return found

    def _require_there(self) -> None:
        if self._engine.is_away:
            raise Unavailable(f"the store of {self._engine.service} is away")

    def _apply(self, writes: Sequence[Write], answer: asyncio.Future[None]) -> None:
        simulation, weather = self._simulation, self._simulation.weather
        error: DomainError | None = None
        if self._node.dead and self._node.place.alone:
            # Its engine was a part of it.
            return
        crash_before = simulation.chance(weather.crash_at_commit / 2)
        if crash_before:
            simulation.kill(self._node, "before a commit")
        if self._engine.is_away or crash_before or simulation.chance(weather.commit_refused):
            error = Unavailable("the store does not take it")
        else:
            error = self._store(writes)
            if error is None and simulation.chance(weather.commit_answer_lost):
                error = Unavailable("the store's answer is lost")
            if error is None and simulation.chance(weather.crash_at_commit / 2):
                simulation.kill(self._node, "after a commit")
        simulation.loop.call_later(simulation.hop(), settle, answer, None, error, context=OUTSIDE)

    def _store(self, writes: Sequence[Write]) -> DomainError | None:
        note = self._simulation.trace.note
        named = [f"{type(write).__name__[0]}:{write.collection}/{write.id}@{write.if_revision}" for write in writes]
        try:
            self._engine.commit(writes)
        except Conflict as conflict:
            note("conflict", self._node.name, conflict.collection, conflict.id)
            return conflict
        note("commit", self._node.name, *named)
        return None


def _copied(writes: Sequence[Write]) -> list[Write]:
    copies: list[Write] = []
    for write in writes:
        if isinstance(write, Put):
            message = type(write.message)()
            message.CopyFrom(write.message)
            copies.append(Put(write.collection, write.id, message, write.if_revision))
        else:
            copies.append(write)
    return copies
