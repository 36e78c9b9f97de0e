"""The deletion of a person with a great many messages: how long it takes, and what each process needs meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from benchmarks.filling import ANSWER, QUESTION, fill_conversation, fill_threads
from benchmarks.machine import usage
from benchmarks.options import Options
from benchmarks.report import Report, Row, shown
from libs.client.apart import Apart
from libs.client.client import Client
from libs.common.settings import SERVICES

THREADS, MESSAGES = 100, 1000
_PASSWORD = "correct horse battery staple"  # noqa: S105 # of nobody
_SAMPLED = 0.02
_A_COMMIT = 100


def measure(report: Report, options: Options) -> None:
    """Through five processes and Redis; beside it, the deletion of as many bare rows in as many commits."""
    threads = max(2, round(THREADS * min(1.0, options.length)))
    report.begin(f"6. Cascade: a person with {threads} threads of {MESSAGES:,} messages is deleted")
    asyncio.run(_measure(report, threads))


async def _measure(report: Report, threads: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        async with Apart(folder) as apart, Client("", addresses=apart.addresses) as client:
            user = await client.register("bench@example.org", "Bench", _PASSWORD)
            await client.login("bench@example.org", _PASSWORD)
            for thread_id in await fill_threads(folder, user.id, threads):
                await fill_conversation(folder, user.id, thread_id, MESSAGES)
            async with _memory(apart) as memory:
                began = time.perf_counter()
                operation = await client.delete_user()
                closed = time.perf_counter() - began
                async for _ in client.watch_operation(operation.id):
                    pass
                seconds = time.perf_counter() - began
        bare = _bare_deletion(Path(scratch), threads * MESSAGES)
    report.add(
        Row(
            f"{threads * MESSAGES:,} messages deleted, journaled and acknowledged by every service",
            f"{shown(seconds)} s (the account was closed after {closed * 1000:.0f} ms)",
            f"as many bare rows, {_A_COMMIT} a durable commit: {shown(bare)} s",
            seconds / bare,
        )
    )
    for service in SERVICES:
        before, most = memory[service]
        mib = 2**20
        report.add(
            Row(
                f"Memory of {service} meanwhile, most",
                f"{most / mib:.1f} MiB",
                f"before: {before / mib:.1f} MiB",
                most / before,
                "flat",
            )
        )


@asynccontextmanager
async def _memory(apart: Apart) -> AsyncIterator[Mapping[str, tuple[int, int]]]:
    """By service: resident bytes at the beginning, and the most until the context is left."""
    seen: dict[str, tuple[int, int]] = {}

    async def sample() -> None:
        while True:
            for service in SERVICES:
                pid = apart.replica(service).pid
                assert pid is not None
                resident = usage(pid).resident
                before, most = seen.get(service, (resident, 0))
                seen[service] = (before, max(most, resident))
            await asyncio.sleep(_SAMPLED)

    sampling = asyncio.create_task(sample())
    await asyncio.sleep(0)
    yield seen
    sampling.cancel()
    with suppress(asyncio.CancelledError):
        await sampling


def _bare_deletion(folder: Path, rows: int) -> float:
    """Seconds to delete rows of the messages' size from a table with a text key and two indexes, nothing else."""
    body = b"x" * ((QUESTION + ANSWER) // 2)
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE messages (id TEXT PRIMARY KEY, thread TEXT, position INTEGER, body BLOB)")
        for columns in ("thread, position, id", "thread, id"):
            connection.execute(f'CREATE INDEX "{columns}" ON messages ({columns})')
        ids = [f"msg_{number:026}" for number in range(rows)]
        connection.execute("BEGIN")
        filled = ((id, f"thread_{number // MESSAGES}", number % MESSAGES, body) for number, id in enumerate(ids))
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", filled)
        connection.execute("COMMIT")
        began = time.perf_counter()
        for start in range(0, rows, _A_COMMIT):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "DELETE FROM messages WHERE id = ?", [(id,) for id in ids[start : start + _A_COMMIT]]
            )
            connection.execute("COMMIT")
        return time.perf_counter() - began
