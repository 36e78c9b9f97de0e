"""Goal 1: what the whole path of an RPC costs, against an empty one on the same server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from google.protobuf.message import Message
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest, ListThreadsRequest

from benchmarks.filling import ANSWER, QUESTION, fill_conversation, fill_threads
from benchmarks.house import MESSAGES_SERVICE, THREADS_SERVICE, USER, target
from benchmarks.load import Client
from benchmarks.options import Options
from benchmarks.report import Report, Row, spread
from benchmarks.server import BARE, Server, serving

IN_FLIGHT = 64
_THREADS = 10_000
_MESSAGES = 1_000
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    method: str
    bodies: list[bytes]
    aim: str


@dataclass(frozen=True, slots=True)
class _Sample:
    per_second: float
    cpu_microseconds: float


def measure(report: Report, options: Options) -> None:
    """Interleaved rounds of every method, 64 calls in flight."""
    report.begin(
        f"1. RPCs, {IN_FLIGHT} in flight, every interceptor on, SQLite with synchronous=FULL; a user with "
        f"{_THREADS:,} threads, a thread with {_MESSAGES:,} messages (questions of {QUESTION}, answers of {ANSWER} "
        "characters: the means of MT-bench's questions and of GPT-4's answers)"
    )
    with tempfile.TemporaryDirectory() as scratch, Client() as client:
        folder = Path(scratch)
        cases = asyncio.run(_prepare(folder))
        with serving(folder) as server:
            samples: dict[str, list[_Sample]] = {case.name: [] for case in cases}
            for _ in range(options.rounds(_ROUNDS)):
                for case in cases:
                    samples[case.name].append(_sample(client, server, case, options.seconds(1.0)))
    _tell(report, cases, samples)


async def _prepare(folder: Path) -> list[_Case]:
    threads = await fill_threads(folder, USER, _THREADS)
    await fill_conversation(folder, USER, threads[0], _MESSAGES)
    return [
        _Case("ping", f"/{BARE}/Ping", [b""], ""),
        _Case("GetThread", f"{THREADS_SERVICE}/GetThread", _bodies(GetThreadRequest(id=id) for id in threads), "≥ 0.8"),
        _Case(
            "CreateThread",
            f"{THREADS_SERVICE}/CreateThread",
            _bodies([CreateThreadRequest(title="A new thread")]),
            "≥ 0.65",
        ),
        _Case(
            "ListThreads(20)", f"{THREADS_SERVICE}/ListThreads", _bodies([ListThreadsRequest(page_size=20)]), "≥ 0.65"
        ),
        _Case(
            "ListMessages(50)",
            f"{MESSAGES_SERVICE}/ListMessages",
            _bodies([ListMessagesRequest(thread_id=threads[0], page_size=50)]),
            "≥ 0.55",
        ),
    ]


def _bodies(requests: Iterable[Message]) -> list[bytes]:
    return [request.SerializeToString() for request in requests]


def _sample(client: Client, server: Server, case: _Case, seconds: float) -> _Sample:
    before = server.usage().cpu_seconds
    rate = client.rate(target(server, case.method), case.bodies, seconds, IN_FLIGHT)
    used = server.usage().cpu_seconds - before
    return _Sample(rate.per_second, used / rate.calls * 1e6)


def _tell(report: Report, cases: list[_Case], samples: dict[str, list[_Sample]]) -> None:
    def rates(name: str) -> list[float]:
        return [sample.per_second for sample in samples[name]]

    def cpu(name: str) -> str:
        return f"{median(sample.cpu_microseconds for sample in samples[name]):.0f} µs of server CPU a call"

    ping = rates("ping")
    for case in cases[1:]:
        mine = rates(case.name)
        # Round by round: what slows the machine for a while slows both.
        ratio = median(a / b for a, b in zip(mine, ping, strict=True))
        measured = f"{spread(mine)}/s, {cpu(case.name)}"
        report.add(Row(case.name, measured, f"ping: {spread(ping)}/s, {cpu('ping')}", ratio, case.aim))
