"""What a run takes from the interpreter, for the time of the run: clocks, chance, the environment and the log."""

from __future__ import annotations

import gc
import logging
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import ulid

from libs.common import process
from libs.common.errors import DomainError
from libs.common.store.port import CollectionSpec, Store
from services.messages.providers.port import ProviderError
from tests.simulation.loop import MACHINE
from tests.simulation.network import SimulatedServer
from tests.simulation.node import Node
from tests.simulation.simulation import Simulation
from tests.simulation.store import SimulatedStore


class Provoked(Exception):
    """What a scenario has something fail with: no bug."""


@contextmanager
def isolated(simulation: Simulation) -> Iterator[None]:
    """Within it, all that the product's code asks the interpreter for comes from the simulation."""
    state = random.getstate()
    random.seed(simulation.random.getrandbits(64))

    def now() -> float:
        node = MACHINE.get()
        return (node.now() if isinstance(node, Node) else simulation.now_ms()) / 1000

    async def open_store(url: str, service: str, specs: list[CollectionSpec[Any]], **options: Any) -> Store:
        node = MACHINE.get()
        assert isinstance(node, Node)
        engine = simulation.engine(service)
        engine.open(specs)
        return SimulatedStore(simulation, engine, node)

    patches = (
        patch.object(time, "time", now),
        patch.object(time, "time_ns", lambda: int(now() * 1000) * 1_000_000),
        patch.object(time, "monotonic", simulation.loop.time),
        patch.object(os, "urandom", random.randbytes),
        patch.object(random, "_urandom", random.randbytes),
        patch.object(ulid, "default_generator", ulid.ULIDGenerator(policy=ulid.LaxMonotonicPolicy())),
        patch.object(process, "Server", SimulatedServer),
        patch.object(process, "Channels", lambda addresses, service, *_, **__: simulation.channels(service)),
        patch.object(process, "open_store", open_store),
        patch.dict(os.environ, _without_settings(), clear=True),
    )
    gc.disable()
    with ExitStack() as stack:
        stack.callback(random.setstate, state)
        stack.callback(gc.enable)
        stack.enter_context(_listening(simulation))
        for one in patches:
            stack.enter_context(one)
        yield


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LLMCHAT_")}


class _Listener(logging.Handler):
    """Reads the product's log: an error that is none of the domain's is a bug, whoever swallowed it."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        if self._simulation.loop.is_closed():
            return
        node = MACHINE.get()
        name = node.name if isinstance(node, Node) else "-"
        self._simulation.trace.tell(f"{name} {record.levelname} {record.name}: {record.getMessage()}")
        for error in _errors(record.exc_info[1] if record.exc_info else None):
            if not isinstance(error, DomainError | ProviderError | Provoked):
                self._simulation.violate(f"{record.getMessage()}: {error!r}")


def _errors(error: BaseException | None) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _errors(one)
    elif error is not None:
        yield error


@contextmanager
def _listening(simulation: Simulation) -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = [_Listener(simulation)]
    root.setLevel(logging.DEBUG if simulation.trace.is_shown else logging.ERROR)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
