"""What each engine's store costs beside its bare driver, which does the same work as durably."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from statistics import median
from unittest.mock import patch

from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings

from benchmarks.bare.port import PAGE, Bare, Document
from benchmarks.options import Options
from benchmarks.report import Report, Row, shown
from libs.common.clock import timestamp
from libs.common.errors import DomainError
from libs.common.store.codec import encode
from libs.common.store.open import open_engine
from libs.common.store.port import CollectionSpec, Index, Put, Query, Store
from tests.engines.all import SERVED

_USERS = 20
_FILLED = 2_000
_LARGE = 100
_ROUNDS = 200
_LARGE_ROUNDS = 20
_SERVICE = "bench"
_SPEC = CollectionSpec("threads", Thread, "thread", (Index(("user_id",), "rank"),), journaled=False)
_BARE = {
    "sqlite": "sqlite:BareSqlite",
    "postgres": "postgres:BarePostgres",
    "mysql": "mysql:BareMysql",
    "mongodb": "mongodb:BareMongo",
    "rtdb": "rtdb:BareRtdb",
    "firestore": "firestore:BareFirestore",
}


@dataclass(slots=True)
class _Latencies:
    """In milliseconds, ours and the bare driver's, taken in turns."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


def measure(report: Report, options: Options) -> None:
    """SQLite, then each engine that tests can start here or that the environment gives to them."""
    report.begin(f"9. Engines: a store beside its bare driver, one caller, {_FILLED:,} documents of {_USERS} users")
    with tempfile.TemporaryDirectory() as scratch, patch.dict(os.environ, {"LLMCHAT_TEST_DURABLE": "1"}):
        _measure_one(report, "SQLite", "sqlite", f"sqlite:///{scratch}/sqlite", options)
        for name, engine in SERVED.items():
            if reason := engine.not_run():
                report.not_run(name, reason)
                continue
            folder = Path(scratch) / name.replace(" ", "-")
            folder.mkdir()
            with ExitStack() as stack:
                served = engine.served_already() or stack.enter_context(engine.started(folder))
                _measure_one(report, served.what, name.split()[0], served.url, options)


def _measure_one(report: Report, what: str, name: str, url: str, options: Options) -> None:
    try:
        figures = asyncio.run(_measure(name, url, options))
    except (ImportError, NotImplementedError, DomainError) as error:
        report.not_run(what, str(error))
        return
    for work, latencies in figures.items():
        ours, bare = median(latencies.ours), median(latencies.bare)
        report.add(Row(f"{what}: {work}", _told(ours), f"bare driver: {_told(bare)}", ours / bare))


async def _measure(name: str, url: str, options: Options) -> dict[str, _Latencies]:
    module, _, kind = _BARE[name].partition(":")
    bare: Bare = getattr(import_module(f"benchmarks.bare.{module}"), kind)()
    store = await open_engine(url, f"{_SERVICE}{time.time_ns()}", [_SPEC])
    try:
        await bare.open(url)
        try:
            return await _compare(store, bare, options)
        finally:
            await bare.close()
    finally:
        await store.close()


async def _compare(store: Store, bare: Bare, options: Options) -> dict[str, _Latencies]:
    numbers = count()

    def documents(size: int) -> tuple[list[Put], list[Document]]:
        threads = [_thread(next(numbers)) for _ in range(size)]
        return [Put(_SPEC.name, one.id, one, 0) for one in threads], [_bare(one) for one in threads]

    for _ in range(0, _FILLED, _LARGE):
        puts, rows = documents(_LARGE)
        await store.commit(puts)
        await bare.commit(rows)
    ids = [_id(number) for number in range(0, _FILLED, 7)]
    users = [f"user_{number}" for number in range(_USERS)]

    async def ours_page(user: str) -> None:
        query = Query.where(_SPEC, order="rank", descending=True, limit=PAGE, user_id=user)
        assert len([stored.message for stored in await store.query(query)]) == PAGE

    async def bare_page(user: str) -> None:
        assert len(await bare.page(user)) == PAGE

    reads, rounds = options.rounds(_ROUNDS), options.rounds(_LARGE_ROUNDS)
    figures = {
        "get": await _in_turns([(partial(store.get, _SPEC, id), partial(bare.get, id)) for id in _cycled(ids, reads)]),
        f"page of {PAGE}": await _in_turns(
            [(partial(ours_page, user), partial(bare_page, user)) for user in _cycled(users, reads)]
        ),
    }
    for size, times in ((1, reads), (_LARGE, rounds)):
        made = [documents(size) for _ in range(times)]
        figures[f"commit of {size}"] = await _in_turns(
            [(partial(store.commit, puts), partial(bare.commit, rows)) for puts, rows in made]
        )
    return figures


_Work = Callable[[], Awaitable[object]]


async def _in_turns(pairs: Sequence[tuple[_Work, _Work]]) -> _Latencies:
    """Each of ours beside one of the bare driver's, who is first by turns."""
    latencies = _Latencies()
    for number, (ours, bare) in enumerate(pairs):
        sides = [(ours, latencies.ours), (bare, latencies.bare)]
        for work, taken in sides if number % 2 else reversed(sides):
            began = time.perf_counter()
            await work()
            taken.append(1000 * (time.perf_counter() - began))
    return latencies


def _told(milliseconds: float) -> str:
    return f"{shown(milliseconds)} ms" if milliseconds >= 0.1 else f"{shown(1000 * milliseconds)} µs"


def _cycled(items: Sequence[str], times: int) -> list[str]:
    return [items[number % len(items)] for number in range(times)]


def _id(number: int) -> str:
    return f"thread_{number:09}"


def _thread(number: int) -> Thread:
    now = timestamp(1_760_000_000_000 + number)
    return Thread(
        id=_id(number),
        user_id=f"user_{number % _USERS}",
        title=f"What number {number} was about",
        created_at=now,
        updated_at=now,
        changed_at=now,
        rank=1_760_000_000_000 + number,
        active_models=["echo"],
        settings=ThreadSettings(tags=["bench"]),
        etag="1",
        schema_version=1,
    )


def _bare(thread: Thread) -> Document:
    return Document(thread.id, thread.user_id, thread.rank, thread.SerializeToString(), encode(thread))
