"""The load: a client in a process of its own, so that what it costs is not the server's interpreter's time.

Requests are serialized beforehand and answers stay bytes, as far as counting allows: the same for every method.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from typing import Any, TypeVar

from grpc import aio
from llmchat.messages.v1.messages_service_pb2 import StreamEvent

from benchmarks.machine import usage

T = TypeVar("T")

Metadata = tuple[tuple[str, str], ...]
_WARM_UP = 0.3
_SETTLE = 2.0
# Seconds; every call of a gateway has one.
_DEADLINE = 30.0
# A channel's messages as long as the longest page of messages.
_OPTIONS = (("grpc.max_receive_message_length", 2**24),)


@dataclass(frozen=True, slots=True)
class Target:
    """One method, and who calls it."""

    address: str
    method: str
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls that ended within `seconds`."""

    calls: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as its client saw it; times in seconds from its call."""

    first_message: float
    first_token: float
    whole: float
    messages: int
    tokens: int


class Client:
    """The process that calls. A context: it ends with it."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def rate(self, target: Target, bodies: Sequence[bytes], seconds: float, in_flight: int) -> Rate:
        """Unary calls, `in_flight` of them at any time, for `seconds` after a short warm-up."""
        return self._pool.submit(_run, _rate, target, bodies, seconds, in_flight).result()

    def latencies(self, target: Target, bodies: Sequence[bytes]) -> list[float]:
        """Seconds that each of the unary calls took, one after the other."""
        return self._pool.submit(_run, _latencies, target, bodies).result()

    def answers(self, target: Target, bodies: Sequence[bytes]) -> list[bytes]:
        """What the unary calls answered, in order; all are under way at once."""
        return self._pool.submit(_run, _answers, target, bodies).result()

    def streams(self, target: Target, bodies: Sequence[bytes], *, together: bool, pause: float = 0) -> list[Stream]:
        """Streams read to their end, all at once or one after the other with `pause` seconds in between."""
        return self._pool.submit(_run, _streams, target, bodies, together, pause).result()

    def sent(self, target: Target, first: Sequence[bytes], body: bytes, count: int, last: bytes) -> float:
        """Seconds until client streams were answered that went out all at once: one for each of the first messages,
        `count` times `body` behind it, and the last one.
        """
        return self._pool.submit(_run, _sent, target, first, body, count, last).result()

    def turns(self, target: Target, bodies: Sequence[bytes], seconds: float) -> Rate:
        """Streams read to their end, of each body one after the other, for `seconds`."""
        return self._pool.submit(_run, _turns, target, bodies, seconds).result()

    def held(self, target: Target, body: bytes, count: int, pid: int) -> int:
        """How much the memory of process `pid` grows, in bytes, by `count` streams that are open and silent."""
        return self._pool.submit(_run, _held, target, body, count, pid).result()

    def until(self, target: Target, body: bytes, tokens: int, count: int) -> list[float]:
        """Seconds until a stream has delivered `tokens` tokens, then it is cancelled; `count` times."""
        return self._pool.submit(_run, _until, target, body, tokens, count).result()


def _run(job: Callable[..., Awaitable[T]], target: Target, *arguments: Any) -> T:
    async def connected() -> T:
        async with aio.insecure_channel(target.address, options=_OPTIONS) as channel:
            await channel.channel_ready()
            return await job(channel, target, *arguments)

    return asyncio.run(connected())


async def _rate(channel: aio.Channel, target: Target, bodies: Sequence[bytes], seconds: float, in_flight: int) -> Rate:
    call: Any = channel.unary_unary(target.method)
    begin = time.perf_counter() + _WARM_UP
    end = begin + seconds
    requests = cycle(bodies)
    done = 0

    async def caller() -> None:
        nonlocal done
        while (now := time.perf_counter()) < end:
            await call(next(requests), metadata=target.metadata, timeout=_DEADLINE)
            done += now >= begin

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return Rate(done, time.perf_counter() - begin)


async def _latencies(channel: aio.Channel, target: Target, bodies: Sequence[bytes]) -> list[float]:
    call: Any = channel.unary_unary(target.method)
    taken = []
    for body in bodies:
        started = time.perf_counter()
        await call(body, metadata=target.metadata)
        taken.append(time.perf_counter() - started)
    return taken


async def _answers(channel: aio.Channel, target: Target, bodies: Sequence[bytes]) -> list[bytes]:
    call: Any = channel.unary_unary(target.method)
    return list(await asyncio.gather(*(call(body, metadata=target.metadata) for body in bodies)))


async def _follow(call: Any, target: Target, body: bytes) -> Stream:
    started = time.perf_counter()
    first_message = first_token = 0.0
    messages = 0
    raw = b""
    async for raw in call(body, metadata=target.metadata):
        messages += 1
        first_message = first_message or time.perf_counter() - started
        if not first_token and StreamEvent.FromString(raw).HasField("tokens"):
            first_token = time.perf_counter() - started
    return Stream(first_message, first_token, time.perf_counter() - started, messages, StreamEvent.FromString(raw).seq)


async def _streams(
    channel: aio.Channel, target: Target, bodies: Sequence[bytes], together: bool, pause: float
) -> list[Stream]:
    call: Any = channel.unary_stream(target.method)
    if together:
        return await asyncio.gather(*(_follow(call, target, body) for body in bodies))
    seen = []
    for body in bodies:
        seen.append(await _follow(call, target, body))
        await asyncio.sleep(pause)
    return seen


async def _sent(
    channel: aio.Channel, target: Target, first: Sequence[bytes], body: bytes, count: int, last: bytes
) -> float:
    method: Any = channel.stream_unary(target.method)

    async def send(opening: bytes) -> None:
        call = method(metadata=target.metadata)
        await call.write(opening)
        for _ in range(count):
            await call.write(body)
        await call.write(last)
        await call.done_writing()
        await call

    started = time.perf_counter()
    await asyncio.gather(*map(send, first))
    return time.perf_counter() - started


async def _turns(channel: aio.Channel, target: Target, bodies: Sequence[bytes], seconds: float) -> Rate:
    call: Any = channel.unary_stream(target.method)
    begin = time.perf_counter() + _WARM_UP
    end = begin + seconds
    done = 0

    async def session(body: bytes) -> None:
        nonlocal done
        while (now := time.perf_counter()) < end:
            async for _ in call(body, metadata=target.metadata):
                pass
            done += now >= begin

    await asyncio.gather(*(session(body) for body in bodies))
    return Rate(done, time.perf_counter() - begin)


async def _held(channel: aio.Channel, target: Target, body: bytes, count: int, pid: int) -> int:
    call: Any = channel.unary_stream(target.method)

    async def opened() -> Any:
        stream = call(body, metadata=target.metadata)
        await stream.read()
        return stream

    # The first few bring in what a server needs once, however many follow.
    streams = [await opened() for _ in range(20)]
    await asyncio.sleep(_SETTLE)
    before = usage(pid).resident
    streams += await asyncio.gather(*(opened() for _ in range(count)))
    await asyncio.sleep(_SETTLE)
    after = usage(pid).resident
    for stream in streams:
        stream.cancel()
    return after - before


async def _until(channel: aio.Channel, target: Target, body: bytes, tokens: int, count: int) -> list[float]:
    call: Any = channel.unary_stream(target.method)
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        stream = call(body, metadata=target.metadata)
        async for raw in stream:
            if StreamEvent.FromString(raw).seq >= tokens:
                taken.append(time.perf_counter() - started)
                stream.cancel()
                break
    return taken
