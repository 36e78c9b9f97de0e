"""Goal 3: what a conversation costs when it has grown, and what many cost together, against what others use."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest
from llmchat.threads.v1.threads_service_pb2 import ListThreadsRequest

from benchmarks.filling import QUESTION, fill_conversation, fill_threads, words
from benchmarks.house import MESSAGES_SERVICE, THREADS_SERVICE, USER, create_threads, questions, target
from benchmarks.load import Client
from benchmarks.options import Options
from benchmarks.peers.measuring import PEERS, PeerFigures, measure_peer
from benchmarks.report import Report, Row, shown
from benchmarks.server import Server, serving

SESSIONS = 64
SIZES = (10, 1_000, 10_000)
_SMALL, _LARGE = SIZES[0], SIZES[-1]
_THREADS = 10_000
_SAMPLES = 20
_ROUNDS = 3
_SEND = f"{MESSAGES_SERVICE}/SendMessage"
_LIST = f"{MESSAGES_SERVICE}/ListMessages"
# The goals, against each peer: appending, the last 50, the list of threads.
_AIMS = {
    "LangChain SQL history": ("≥ 10", "≥ 150", ""),
    "LlamaIndex SQL chat store": ("≥ 10", "", ""),
    "Chainlit data layer": ("≥ 10", "≥ 150", "≥ 300"),
}


@dataclass(slots=True)
class _Figures:
    """By size of the thread, in milliseconds; and turns a second of all sessions, one figure a round."""

    append: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    turn: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    last_10: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    last_50: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    list_20: list[float] = field(default_factory=list)
    turns_per_second: list[float] = field(default_factory=list)


def measure(report: Report, options: Options) -> None:
    """Our own figures through gRPC, then the peers' in their own processes."""
    report.begin(
        f"3. Growth: threads of {', '.join(f'{size:,}' for size in SIZES)} messages, {_THREADS:,} threads, "
        f"{SESSIONS} sessions; ours through gRPC with SQLite, the peers within one process"
    )
    ours = _measure(options)
    _tell_flatness(report, ours)
    for name, place in PEERS.items():
        try:
            theirs = measure_peer(place, SIZES, SESSIONS, options.seconds(1.5))
        except ImportError as error:
            report.not_run(f"Growth against {name}", f"{error.name} is not installed: make bench installs it")
            continue
        _tell_peer(report, name, ours, theirs)
    report.not_run("List and append against Open WebUI", "its chat store comes only with its whole web application")


def _measure(options: Options) -> _Figures:
    figures = _Figures()
    with tempfile.TemporaryDirectory() as scratch, Client() as client:
        folder = Path(scratch)
        rounds = options.rounds(_ROUNDS)
        grown = asyncio.run(_prepare(folder, rounds))
        with serving(folder, echo_tokens_per_second=0) as server:
            sessions = create_threads(client, server, SESSIONS)
            for number in range(rounds):
                for size, threads in grown.items():
                    _one_caller(figures, client, server, size, threads[number])
                body = ListThreadsRequest(page_size=20).SerializeToString()
                figures.list_20 += _latencies(client, server, f"{THREADS_SERVICE}/ListThreads", body)
                rate = client.turns(target(server, _SEND), questions(sessions, "ok"), options.seconds(2))
                figures.turns_per_second.append(rate.per_second)
    return figures


async def _prepare(folder: Path, rounds: int) -> dict[int, list[str]]:
    """By size: a thread for each round."""
    ids = iter(await fill_threads(folder, USER, _THREADS))
    grown = {size: [next(ids) for _ in range(rounds)] for size in SIZES}
    for size, threads in grown.items():
        for id in threads:
            await fill_conversation(folder, USER, id, size)
    return grown


def _one_caller(figures: _Figures, client: Client, server: Server, size: int, thread_id: str) -> None:
    for page, latencies in ((10, figures.last_10), (50, figures.last_50)):
        body = ListMessagesRequest(thread_id=thread_id, page_size=page).SerializeToString()
        latencies[size] += _latencies(client, server, _LIST, body)
    sent = questions([thread_id], "".join(words(QUESTION))) * _SAMPLES
    for stream in client.streams(target(server, _SEND), sent, together=False, pause=0.01):
        figures.append[size].append(stream.first_message * 1000)
        figures.turn[size].append(stream.whole * 1000)


def _latencies(client: Client, server: Server, method: str, body: bytes) -> list[float]:
    return [seconds * 1000 for seconds in client.latencies(target(server, method), [body] * _SAMPLES)]


def _tell_flatness(report: Report, ours: _Figures) -> None:
    for what, milliseconds, aim in (
        ("Append (question and answer stored)", ours.append, "≤ 1.1"),
        ("Whole turn (its context read too, up to 32,768 tokens of it)", ours.turn, ""),
        ("Last 10", ours.last_10, "≤ 1.1"),
    ):
        by_size = {size: median(taken) for size, taken in milliseconds.items()}
        report.add(
            Row(
                f"{what} at message {_LARGE:,}",
                _by_size(by_size),
                f"at message {_SMALL}: {shown(by_size[_SMALL])} ms",
                by_size[_LARGE] / by_size[_SMALL],
                aim,
            )
        )


def _tell_peer(report: Report, name: str, ours: _Figures, theirs: PeerFigures) -> None:
    append_aim, last_aim, list_aim = _AIMS[name]
    turns = median(ours.turns_per_second)
    report.add(
        Row(
            f"{SESSIONS} sessions appending turns (two messages; ours with generation, events and journal)",
            f"{turns:,.0f} turns/s",
            f"{name}: {theirs.turns_per_second:,.0f}/s; one append {_by_size(theirs.append_ms)}",
            turns / theirs.turns_per_second,
            append_aim,
        )
    )
    last = {size: median(taken) for size, taken in ours.last_50.items()}
    ratio = theirs.last_50_ms[_LARGE] / last[_LARGE]
    report.add(Row(f"Last 50 of {_LARGE:,}", _by_size(last), f"{name}: {_by_size(theirs.last_50_ms)}", ratio, last_aim))
    if theirs.list_20_ms is not None:
        listed = median(ours.list_20)
        baseline = f"{name} (its limit of 1,000 threads on): {shown(theirs.list_20_ms)} ms"
        report.add(
            Row(
                f"List 20 of {_THREADS:,} threads",
                f"{shown(listed)} ms",
                baseline,
                theirs.list_20_ms / listed,
                list_aim,
            )
        )


def _by_size(milliseconds: dict[int, float]) -> str:
    return " / ".join(shown(value) for value in milliseconds.values()) + " ms"
