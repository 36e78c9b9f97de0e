"""Goal 2: what it costs that a token is stored before anyone sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.house import MESSAGES_SERVICE, create_threads, questions, target
from benchmarks.load import Client, Stream
from benchmarks.options import Options
from benchmarks.report import Report, Row, shown, spread
from benchmarks.server import BARE, Server, serving

STREAMS = 50
_TOKENS = 2_000
_ROUNDS = 5
_FIRST_TOKENS = 100
_PACE = 50
_LONG = " word" * _TOKENS
_SHORT = "How are you today?"
# Between two sends, so that one is not slowed by what follows from the answer before it.
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class _Speed:
    """One round of streams. `cpu` is in seconds of the server's; `handed` and `written` in bytes."""

    tokens: int
    messages: int
    seconds: float
    cpu: float
    handed: int
    written: int

    @property
    def per_second(self) -> float:
        return self.tokens / self.seconds


def measure(report: Report, options: Options) -> None:
    """Speed, first token and bytes written, each against the same streams with no store and against bare ones."""
    report.begin(f"2. Tokens: stored, then delivered, on {STREAMS} streams of {_TOKENS:,} tokens")
    with Client() as client, _stored(0) as stored:
        with serving(None, echo_tokens_per_second=0) as unstored:
            _first_token(report, options, client, stored, unstored)
        _full_speed(report, options, client, stored)
    with Client() as client, _stored(_PACE) as paced:
        _paced(report, options, client, paced)


@contextmanager
def _stored(pace: float) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch), echo_tokens_per_second=pace) as server:
        yield server


def _full_speed(report: Report, options: Options, client: Client, server: Server) -> None:
    stored, gathered, bare = [], [], []
    for _ in range(options.rounds(_ROUNDS)):
        stored.append(_round(client, server, _LONG))
        gathered.append(_round(client, server, _LONG, f"/{BARE}/Gathered"))
        bare.append(_round(client, server, _LONG, f"/{BARE}/Stream"))
    for name, baseline, aim in (
        ("the same streams, gathered in the same way, with no store and no interceptor", gathered, "≥ 0.8"),
        ("bare grpc.aio streams, a message a token", bare, ""),
    ):
        ratio = median(a.per_second / b.per_second for a, b in zip(stored, baseline, strict=True))
        report.add(Row("Tokens/s stored, then delivered", _told(stored), f"{name}: {_told(baseline)}", ratio, aim))
    _bytes(report, "Bytes a token at full speed", stored)


def _paced(report: Report, options: Options, client: Client, server: Server) -> None:
    seconds = options.seconds(6)
    rounds = [_round(client, server, " word" * round(seconds * _PACE))]
    _bytes(report, f"Bytes a token at {_PACE} tokens/s a stream", rounds)


def _first_token(report: Report, options: Options, client: Client, stored: Server, unstored: Server) -> None:
    stored_ms: list[float] = []
    unstored_ms: list[float] = []
    bare_ms: list[float] = []
    for _ in range(options.rounds(_ROUNDS)):
        count = _FIRST_TOKENS // _ROUNDS
        for server, method, seen in (
            (stored, f"{MESSAGES_SERVICE}/SendMessage", stored_ms),
            (unstored, f"{MESSAGES_SERVICE}/SendMessage", unstored_ms),
            (stored, f"/{BARE}/Stream", bare_ms),
        ):
            bodies = questions(create_threads(client, server, count), _SHORT)
            streams = client.streams(target(server, method), bodies, together=False, pause=_PAUSE)
            seen += [stream.first_token * 1000 for stream in streams]
    p50 = median(stored_ms)
    for name, baseline, aim in (("no store (memory://)", unstored_ms, "≤ 2 ms more"), ("bare stream", bare_ms, "")):
        more = p50 - median(baseline)
        report.add(
            Row(
                "First token, p50",
                f"{shown(p50)} ms, {shown(more)} ms more",
                f"{name}: {shown(median(baseline))} ms",
                None,
                aim,
            )
        )


def _round(client: Client, server: Server, content: str, method: str = f"{MESSAGES_SERVICE}/SendMessage") -> _Speed:
    bodies = questions(create_threads(client, server, STREAMS), content)
    before = server.usage()
    streams: list[Stream] = client.streams(target(server, method), bodies, together=True)
    after = server.usage()
    return _Speed(
        tokens=sum(stream.tokens for stream in streams),
        messages=sum(stream.messages for stream in streams),
        seconds=max(stream.whole for stream in streams),
        cpu=after.cpu_seconds - before.cpu_seconds,
        handed=after.handed - before.handed,
        written=after.written - before.written,
    )


def _told(rounds: list[_Speed]) -> str:
    cpu = median(speed.cpu / speed.tokens * 1e6 for speed in rounds)
    a_message = median(speed.tokens / speed.messages for speed in rounds)
    speeds = spread([speed.per_second for speed in rounds])
    return f"{speeds} tokens/s, {cpu:.0f} µs of server CPU a token, {a_message:.1f} tokens a message"


def _bytes(report: Report, what: str, rounds: list[_Speed]) -> None:
    handed = median(speed.handed / speed.tokens for speed in rounds)
    written = median(speed.written / speed.tokens for speed in rounds)
    report.add(
        Row(
            what,
            f"{handed:,.0f} handed to write calls, {written:,.0f} in pages to storage",
            "the goal, for write calls (WAL, checkpoints, question and journal included)",
            None,
            "≤ 1,024",
        )
    )
