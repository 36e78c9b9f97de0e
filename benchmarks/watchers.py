"""What a watcher of threads costs while nothing happens, and how soon it is told of a change, here and elsewhere."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import ThreadChange, UpdateThreadRequest, WatchThreadsRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from benchmarks.filling import fill_threads
from benchmarks.house import USER
from benchmarks.machine import usage
from benchmarks.options import Options
from benchmarks.report import Report, Row, shown
from benchmarks.server import BARE, Server, serving
from libs.client.redis_process import redis_serving

WATCHERS = 500
THREADS = 100
_SETTLE = 2.0
_SECONDS = 20
_CHANGES = 1000


def measure(report: Report, options: Options) -> None:
    """Each in servers of its own."""
    report.begin(f"8. Watchers: {WATCHERS} idle ones of {THREADS} threads, and the way of a change to one")
    with tempfile.TemporaryDirectory() as folder:
        threads = asyncio.run(fill_threads(Path(folder), USER, THREADS))
        asyncio.run(_idle(report, Path(folder), options.seconds(_SECONDS)))
        asyncio.run(_told(report, Path(folder), threads[0], round(options.seconds(_CHANGES))))


async def _idle(report: Report, folder: Path, seconds: float) -> None:
    with serving(folder) as server:
        held, busy = await _held(server, seconds, watching=True)
    with serving(folder) as server:
        bare, _ = await _held(server, 0, watching=False)
    report.add(
        Row(
            f"Memory of {WATCHERS} idle watchers of {THREADS} threads",
            f"{held / 1024:.1f} KiB each",
            f"bare grpc.aio stream: {bare / 1024:.1f} KiB each",
            held / bare,
        )
    )
    report.add(Row("Processor of an idle watcher", f"{busy * 1e6:.0f} µs a second", "one that does not look: 0"))


async def _held(server: Server, seconds: float, *, watching: bool) -> tuple[float, float]:
    """Bytes that each stream holds on the server, and seconds of the processor that it takes in a second."""
    async with aio.insecure_channel(server.address) as channel:
        # The first few bring in what a server needs once, however many follow.
        streams = [await _opened(channel, server, watching) for _ in range(20)]
        await asyncio.sleep(_SETTLE)
        before = usage(server.pid)
        streams += await asyncio.gather(*(_opened(channel, server, watching) for _ in range(WATCHERS)))
        await asyncio.sleep(_SETTLE)
        idle = usage(server.pid)
        await asyncio.sleep(seconds)
        after = usage(server.pid)
    taken = (after.cpu_seconds - idle.cpu_seconds) / seconds if seconds else 0.0
    return (idle.resident - before.resident) / WATCHERS, taken / len(streams)


async def _opened(channel: aio.Channel, server: Server, watching: bool) -> Any:
    if not watching:
        bare: Any = channel.unary_stream(f"/{BARE}/Idle")
        stream = bare(b"")
        await stream.read()
        return stream
    return await _begun(channel, server)


async def _begun(channel: aio.Channel, server: Server) -> Any:
    """A watch that has told what is there."""
    watch: Any = ThreadsServiceStub(channel).WatchThreads(WatchThreadsRequest(), metadata=server.metadata(USER))
    while not (await watch.read()).HasField("synced"):
        pass
    return watch


async def _told(report: Report, folder: Path, thread_id: str, changes: int) -> None:
    async with redis_serving() as bus:
        with ExitStack() as replicas:
            first, second = (replicas.enter_context(serving(folder, bus_url=bus.url)) for _ in range(2))
            for where, watched in (("on the same replica", first), ("on another replica", second)):
                call, told = await _timed(first, watched, thread_id, changes)
                report.add(
                    Row(
                        f"A change, from its call to a watcher {where}, p50 / p99",
                        _shown(told),
                        f"the call itself, to its answer: {_shown(call)}",
                        median(told) / median(call),
                    )
                )


async def _timed(changed: Server, watched: Server, thread_id: str, changes: int) -> tuple[list[float], list[float]]:
    """Milliseconds that each change took to be answered, and to be told to a watcher, one after the other."""
    calls, tellings = [], []
    mask = FieldMask(paths=["title"])
    async with aio.insecure_channel(changed.address) as writing, aio.insecure_channel(watched.address) as watching:
        watch = await _begun(watching, watched)
        threads = ThreadsServiceStub(writing)
        for number in range(changes):
            request = UpdateThreadRequest(thread=Thread(id=thread_id, title=f"Number {number}"), update_mask=mask)
            began = time.perf_counter()
            telling = asyncio.create_task(_arrival(watch))
            await threads.UpdateThread(request, metadata=changed.metadata(USER))
            calls.append((time.perf_counter() - began) * 1000)
            change, arrived = await telling
            assert change.thread.title == request.thread.title
            tellings.append((arrived - began) * 1000)
    return calls, tellings


async def _arrival(watch: Any) -> tuple[ThreadChange, float]:
    return await watch.read(), time.perf_counter()


def _shown(latencies: list[float]) -> str:
    return f"{shown(median(latencies))} / {shown(quantiles(latencies, n=100)[98])} ms"
