"""Goal 7: what a follower holds in memory while nothing happens, and how soon one who returns has all of it again."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

from llmchat.messages.v1.messages_service_pb2 import StreamTokensRequest
from ulid import ULID

from benchmarks.filling import fill_finished, fill_running
from benchmarks.house import MESSAGES_SERVICE, USER, questions, target
from benchmarks.load import Client
from benchmarks.options import Options
from benchmarks.report import Report, Row, shown
from benchmarks.server import BARE, serving

FOLLOWERS = 500
_ROUNDS = 3
_TOKENS = 2_000
_RESUMES = 100
_FOLLOW = f"{MESSAGES_SERVICE}/StreamTokens"
# What a provider at 50 tokens a second leaves, and one that is faster than the store.
_CHUNKS = (1, 256)


def measure(report: Report, options: Options) -> None:
    """Memory first, each in a server of its own; then the resumes."""
    report.begin(f"7. Followers: {FOLLOWERS} idle ones, and the resume of {_TOKENS:,} tokens")
    _memory(report, options)
    _resume(report, options)
    report.not_run("Resume against vercel/resumable-stream", "needs Node.js and a Redis server")


def _memory(report: Report, options: Options) -> None:
    ours, bare = [], []
    for _ in range(options.rounds(_ROUNDS)):
        ours.append(_held(_FOLLOW))
        bare.append(_held(f"/{BARE}/Idle"))
    ratio = median(a / b for a, b in zip(ours, bare, strict=True))
    measured, baseline = (
        f"{median(ours) / 1024:.1f} KiB each",
        f"bare grpc.aio stream: {median(bare) / 1024:.1f} KiB each",
    )
    report.add(Row(f"Memory of {FOLLOWERS} idle followers of one answer", measured, baseline, ratio, "≤ 1.5"))


def _held(method: str) -> float:
    """Bytes that an idle stream holds on the server."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        message_id = asyncio.run(fill_running(folder, USER, _thread_id(), tokens=1, chunk=1))
        body = StreamTokensRequest(message_id=message_id).SerializeToString()
        with Client() as client, serving(folder) as server:
            return client.held(target(server, method), body, FOLLOWERS, server.pid) / FOLLOWERS


def _resume(report: Report, options: Options) -> None:
    with tempfile.TemporaryDirectory() as scratch, Client() as client:
        folder = Path(scratch)
        answers = {"an ended answer": asyncio.run(fill_finished(folder, USER, _thread_id(), _TOKENS))}
        for chunk in _CHUNKS:
            name = f"an answer that another process runs, from its chunks of {chunk}"
            answers[name] = asyncio.run(fill_running(folder, USER, _thread_id(), _TOKENS, chunk))
        with serving(folder) as server:
            methods = {name: (_FOLLOW, StreamTokensRequest(message_id=id)) for name, id in answers.items()}
            bodies = {name: (method, request.SerializeToString()) for name, (method, request) in methods.items()}
            bodies["bare"] = (f"/{BARE}/Whole", questions([""], " word" * _TOKENS)[0])
            taken: dict[str, list[float]] = {name: [] for name in bodies}
            for _ in range(options.rounds(_ROUNDS)):
                for name, (method, body) in bodies.items():
                    times = client.until(target(server, method), body, _TOKENS, _RESUMES // _ROUNDS)
                    taken[name] += [seconds * 1000 for seconds in times]
    bare = median(taken.pop("bare"))
    for name, times in taken.items():
        baseline = f"bare grpc.aio stream, all in one message: {shown(bare)} ms"
        report.add(
            Row(f"Resume of {_TOKENS:,} tokens of {name}", f"{shown(median(times))} ms", baseline, median(times) / bare)
        )


def _thread_id() -> str:
    return f"thread_{str(ULID()).lower()}"
