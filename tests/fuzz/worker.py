"""One client process of a run: draws requests, sends them over a socket, and counts what comes back."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count

from google.protobuf.message import DecodeError
from grpc import StatusCode, aio

from libs.common.clock import wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from libs.common.rpc.method import Method
from tests.fuzz.callers import Callers, Metadata
from tests.fuzz.methods import every_method
from tests.fuzz.pool import Pool
from tests.fuzz.requests import Requests, mutated

# Statuses that say that the server is wrong, and not the request.
BUGS = frozenset((StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNIMPLEMENTED, StatusCode.DATA_LOSS))
# Of those that hash a password, or read everything, or end what others need: a fraction of the requests of other RPCs.
_WEIGHTS = {
    **dict.fromkeys(("CreateUser", "Login", "ChangePassword", "DeleteUser"), 0.02),
    **dict.fromkeys(("CheckIntegrity", "ReencryptProviderKeys"), 0.02),
    **dict.fromkeys(("SuspendUser", "Logout", "RevokeSession", "RevokeAccessKey", "SetUserRole"), 0.1),
    **dict.fromkeys(("SendMessage", "CreateThread"), 2.0),
}
_CONCURRENCY = 48
_REMEMBERED = 200
_MOST_FAILURES = 20
# What grpc.aio's client says, instead of the status that it was given, where a stream is refused while it still sends.
_OF_THE_CLIENT = "Internal error from Core"
_LARGE = 50_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker has to do: every `step`-th request from `first` on, below `requests`."""

    address: str
    secret: str = field(repr=False)
    seed: int
    requests: int
    first: int
    step: int
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was answered as none may be, with all that it takes to send it again."""

    number: int
    method: str
    caller: str
    status: str
    details: str
    body: bytes

    def __str__(self) -> str:
        body = base64.b64encode(self.body).decode()
        shown = body if len(body) <= 2000 else f"{body[:2000]}… ({len(self.body)} bytes)"
        return f"request {self.number}: {self.method} by {self.caller}: {self.status} {self.details}\n  body: {shown}"


@dataclass
class Report:
    """What a worker saw. `secrets`: what the server handed out to it."""

    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)


def work(plan: Plan) -> Report:
    """Sends the plan's requests; ends early at too many failures."""
    return asyncio.run(_Worker(plan).run())


class _Worker:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._methods = [method for method in every_method() if method.name not in plan.skip]
        self._weights = list(accumulate(_WEIGHTS.get(method.name, 1.0) for method in self._methods))
        self._requests = Requests(self._methods)
        self._pool = Pool()
        self._report = Report()
        # What was sent lately: sent again as it was, or changed a little.
        self._sent: list[tuple[Method, str, bytes]] = []
        self._numbers = count(plan.first, plan.step)

    async def run(self) -> Report:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        async with aio.insecure_channel(self._plan.address, options) as channel:
            tokens = Tokens(KeyRing.parse(self._plan.secret).derive("tokens"), wall_clock)
            callers = Callers(tokens, channel, self._pool, self._plan.first)
            await callers.settle()
            async with asyncio.TaskGroup() as group:
                for _ in range(_CONCURRENCY):
                    group.create_task(self._send_many(channel, callers))
        self._report.secrets = callers.secrets
        return self._report

    async def _send_many(self, channel: aio.Channel, callers: Callers) -> None:
        unary: dict[str, aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        streams: dict[str, aio.UnaryStreamMultiCallable[bytes, bytes]] = {}
        intakes: dict[str, aio.StreamUnaryMultiCallable[bytes, bytes]] = {}
        for method in self._methods:
            if method.client_streaming:
                intakes[method.path] = channel.stream_unary(method.path)
            elif method.server_streaming:
                streams[method.path] = channel.unary_stream(method.path)
            else:
                unary[method.path] = channel.unary_unary(method.path)
        while (number := next(self._numbers)) < self._plan.requests and len(self._report.failures) < _MOST_FAILURES:
            chance = random.Random(self._plan.seed << 40 | number)  # noqa: S311 # repeatable
            method, caller, body = self._draw(chance, callers)
            metadata = callers.metadata(caller, number, chance)
            if method.server_streaming:
                stream = streams[method.path](body, metadata=metadata, timeout=chance.choice((0.01, 0.1, 0.3)))
                answers = await _read(stream, chance.choice((0, 1, 3, 100)))
                call: aio.Call = stream
            elif method.client_streaming:
                # One message, alone or over and over: what a stream may hold in order is not this fuzzer's to know.
                bodies = [body] * chance.choice((0, 1, 2, 20))
                taken = intakes[method.path](iter(bodies), metadata=metadata, timeout=chance.choice((0.1, 30)))
                answers = [await taken] if await taken.code() is StatusCode.OK else []
                call = taken
            else:
                timeout = chance.uniform(0, 0.01) if chance.random() < 0.02 else 30
                once = unary[method.path](body, metadata=metadata, timeout=timeout)
                answers = [await once] if await once.code() is StatusCode.OK else []
                call = once
            await self._take(number, method, caller, body, metadata, call, answers, callers)

    def _draw(self, chance: random.Random, callers: Callers) -> tuple[Method, str, bytes]:
        if self._sent and chance.random() < 0.06:
            method, caller, body = chance.choice(self._sent)
            return method, caller, body if chance.random() < 0.5 else mutated(body, chance)
        method = chance.choices(self._methods, cum_weights=self._weights)[0]
        caller = callers.choose(method, chance)
        drawn = method, caller, self._requests.draw(method, chance, self._pool, caller)
        if _WEIGHTS.get(method.name, 1.0) >= 1:
            self._remember(drawn)
        return drawn

    def _remember(self, sent: tuple[Method, str, bytes]) -> None:
        self._sent.append(sent)
        del self._sent[:-_REMEMBERED]

    async def _take(
        self,
        number: int,
        method: Method,
        caller: str,
        body: bytes,
        metadata: Metadata,
        call: aio.Call,
        answers: Sequence[bytes],
        callers: Callers,
    ) -> None:
        cancelled = call.cancelled()
        code = StatusCode.CANCELLED if cancelled else await call.code()
        if method.client_streaming and await call.details() == _OF_THE_CLIENT:
            code = StatusCode.CANCELLED
        self._report.statuses[method.path, code.name] += 1
        if code in BUGS:
            details = await call.details()
            self._report.failures.append(Failure(number, method.path, caller, code.name, details or "", body))
        elif code is StatusCode.UNAUTHENTICATED:
            await callers.recover(caller, metadata)
        for answer in answers:
            if len(answer) < _LARGE:
                self._learn(method, caller, body, answer)

    def _learn(self, method: Method, caller: str, body: bytes, answer: bytes) -> None:
        message = method.response.FromString(answer)
        self._pool.harvest(caller, message)
        token = getattr(message, "next_page_token", "")
        try:
            request = method.request.FromString(body)
        except DecodeError:
            return
        if token:
            request.page_token = token  # type: ignore[attr-defined]
            self._remember((method, caller, request.SerializeToString()))
        for path in request.update_mask.paths if hasattr(request, "update_mask") else ():
            self._pool.add(caller, f"mask.{method.resource}", path)


async def _read(call: aio.UnaryStreamCall[bytes, bytes], most: int) -> list[bytes]:
    """The first answers of a stream, which is then left."""
    answers: list[bytes] = []
    try:
        while len(answers) < most:
            answer = await call.read()
            if not isinstance(answer, bytes):
                return answers
            answers.append(answer)
    except aio.AioRpcError:
        return answers
    call.cancel()
    return answers
