"""Measures one peer, in a process of its own: what one library loads does not weigh on another."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.filling import ANSWER, QUESTION, words
from benchmarks.peers.port import Peer

PEERS = {
    "LangChain SQL history": "benchmarks.peers.langchain:LangChain",
    "LlamaIndex SQL chat store": "benchmarks.peers.llama_index:LlamaIndex",
    "Chainlit data layer": "benchmarks.peers.chainlit:Chainlit",
}
_QUESTION, _ANSWER = "".join(words(QUESTION)), "".join(words(ANSWER))


@dataclass(slots=True)
class PeerFigures:
    """Milliseconds are medians. `turns_per_second` is of many sessions; `list_20_ms` is None where there is no list."""

    turns_per_second: float = 0.0
    append_ms: dict[int, float] = field(default_factory=dict)
    last_50_ms: dict[int, float] = field(default_factory=dict)
    list_20_ms: float | None = None


def measure_peer(place: str, sizes: tuple[int, ...], sessions: int, seconds: float) -> PeerFigures:
    """The figures of the peer at `module:Class`.

    Raises:
        ImportError: its library is not installed.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, place, sizes, sessions, seconds).result()


def _measure(place: str, sizes: tuple[int, ...], sessions: int, seconds: float) -> PeerFigures:
    with tempfile.TemporaryDirectory() as scratch:
        # Chainlit writes its own settings where it is imported.
        os.environ["CHAINLIT_APP_ROOT"] = scratch
        module, _, name = place.partition(":")
        return asyncio.run(_figures(getattr(import_module(module), name)(), Path(scratch), sizes, sessions, seconds))


async def _figures(peer: Any, folder: Path, sizes: tuple[int, ...], sessions: int, seconds: float) -> PeerFigures:
    figures = PeerFigures()
    await peer.open(folder)
    figures.turns_per_second = await _turns_per_second(peer, [f"session-{n}" for n in range(sessions)], seconds)
    for size in sizes:
        session = f"session-of-{size}"
        await peer.fill(session, _QUESTION, _ANSWER, size)
        figures.append_ms[size] = await _milliseconds(lambda: peer.append_turn(session, _QUESTION, _ANSWER), seconds)  # noqa: B023 # awaited at once
        figures.last_50_ms[size] = await _milliseconds(lambda: peer.last(session, 50), seconds)  # noqa: B023 # as above
    if hasattr(peer, "list_threads"):
        await peer.fill_threads(10_000)
        figures.list_20_ms = await _milliseconds(lambda: peer.list_threads(20), seconds)
    await peer.close()
    return figures


async def _turns_per_second(peer: Peer, sessions: list[str], seconds: float) -> float:
    for session in sessions:
        await peer.append_turn(session, "ok", "ok")
    started, turns = time.perf_counter(), 0
    while (taken := time.perf_counter() - started) < seconds:
        await peer.append_turn(sessions[turns % len(sessions)], "ok", "ok")
        turns += 1
    return turns / taken


async def _milliseconds(action: Callable[[], Awaitable[Any]], seconds: float) -> float:
    """The median, of at least three and of what `seconds` allow."""
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < seconds * 1000 and len(taken) < 100):
        started = time.perf_counter()
        await action()
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)[len(taken) // 2]
