"""A run: a real server in a process of its own, client processes that send to it, and what is true of it afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from grpc import aio
from llmchat.catalog.v1.model_config_pb2 import ModelProvider
from llmchat.messages.v1.messages_service_pb2 import CheckProviderRequest
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operations_service_pb2 import CheckSummary, Orphan

from libs.client.operator import Operator
from libs.client.server_process import free_ports, serving
from libs.common.crypto.keys import KeyRing, SecretKey
from libs.common.crypto.tokens import Tokens
from libs.common.rpc.interceptors.identity import AUTHORIZATION
from libs.common.settings import SERVICES
from tests.fuzz.values import CANARY
from tests.fuzz.worker import Failure, Plan, Report, work

_NOWHERE = "http://127.0.0.1:1"
_SETTINGS = {
    "LLMCHAT_LIMITS": "off",
    "LLMCHAT_LOGIN_FAILURES": "1000000",
    "LLMCHAT_ECHO_TOKENS_PER_SECOND": "0",
    "LLMCHAT_LOG_LEVEL": "DEBUG",
    # No other provider than echo answers, and nobody outside of this machine is asked anything.
    **{f"LLMCHAT_{maker}_API_KEY": "of-nobody" for maker in ("ANTHROPIC", "OPENAI", "GOOGLE")},
    **{f"LLMCHAT_{maker}_BASE_URL": _NOWHERE for maker in ("ANTHROPIC", "OPENAI", "GOOGLE", "OLLAMA")},
    "LLMCHAT_PROVIDER_RETRIES": "0",
    **{f"LLMCHAT_KEY_CHECK_{maker}_URL": _NOWHERE for maker in ("CLAUDE", "OPENAI", "GOOGLE")},
}
# How gRPC says that it had the end of a stream left to send to a client that has gone: by itself, after the handler.
_GONE = "ExecuteBatchError raised in core by servicer method"
_SETTLING = 120.0
_SAMPLE = 0.5
_PARTS = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Outcome:
    """What a run found. `memory` is what the server had resident in each tenth of the run, in MiB."""

    seed: int
    requests: int
    seconds: float
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)
    summary: CheckSummary = field(default_factory=CheckSummary)
    leaks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    returncode: int | None = None
    log: Path = Path()

    def table(self) -> Iterator[str]:
        """A line per method: how many requests, and with which statuses they ended."""
        by_method: dict[str, Counter[str]] = {}
        for (method, status), times in self.statuses.items():
            by_method.setdefault(method, Counter())[status] += times
        for method, statuses in sorted(by_method.items()):
            counted = ", ".join(f"{status} {times}" for status, times in statuses.most_common())
            yield f"{method.removeprefix('/llmchat.'):48} {statuses.total():8}  {counted}"
        if never := sorted(
            set(by_method) - {method for method, status in self.statuses if status in ("OK", "CANCELLED")}
        ):
            yield f"never answered with OK: {', '.join(method.rpartition('/')[2] for method in never)}"
        yield (
            f"{self.statuses.total()} requests, seed {self.seed}, {self.seconds:.0f} s, "
            f"{self.statuses.total() / self.seconds:.0f} a second; memory by tenths of the time "
            f"{', '.join(f'{resident:.0f}' for resident in self.memory)} MiB; {self.summary.documents} documents, "
            f"{self.summary.orphans} orphans, "
            f"{self.summary.unsettled_events} events unsettled, {self.summary.parked_events} parked"
        )

    def faults(self) -> list[str]:
        """What is wrong with the server, in words; memory apart, which only long runs tell."""
        found = [f"{failure}" for failure in self.failures]
        if self.returncode is not None:
            found.append(f"the server ended with {self.returncode}: {self.log}")
        found += [f"orphan: {orphan}" for orphan in self.orphans[:20]]
        if self.summary.parked_events:
            found.append(f"{self.summary.parked_events} events parked")
        found += [f"the log holds a secret: {line}" for line in self.leaks]
        found += [f"logged as an error: {line}" for line in self.errors]
        return found


async def run(
    folder: Path, requests: int, seed: int, *, clients: int = 2, skip: frozenset[str] = frozenset()
) -> Outcome:
    """Sends `requests` requests, drawn from `seed`, from `clients` processes, to a server whose data is in `folder`."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    secret = SecretKey.generate().encoded
    log = folder / "server.log"
    settings = {**_SETTINGS, "LLMCHAT_STORE_URL": f"sqlite:///{folder / 'data'}", "LLMCHAT_SECRET_KEY": secret}
    plans = [Plan(address, secret, seed, requests, first, clients, skip) for first in range(clients)]
    outcome = Outcome(seed, requests, 0.0, log=log)
    secrets = {secret, CANARY}
    async with serving(address, settings, log=log) as server:
        await _import_sdks(address, secret)
        began = time.monotonic()
        samples: list[float] = []
        sampling = asyncio.create_task(_sample(server.pid, samples))
        with ProcessPoolExecutor(clients, get_context("spawn")) as pool:
            loop = asyncio.get_running_loop()
            reports: list[Report] = await asyncio.gather(*(loop.run_in_executor(pool, work, plan) for plan in plans))
        outcome.seconds = time.monotonic() - began
        sampling.cancel()
        bounds = [len(samples) * part // _PARTS for part in range(_PARTS + 1)]
        outcome.memory = [median(samples[start:end]) for start, end in pairwise(bounds) if start < end]
        for report in reports:
            outcome.statuses += report.statuses
            outcome.failures += report.failures
            secrets |= report.secrets
        if server.returncode is None:
            outcome.orphans, outcome.summary = await _settled(address, secret)
        outcome.returncode = server.returncode
    outcome.leaks = _lines(log, holding(secrets))
    outcome.errors = _lines(log, lambda line: " ERROR " in line and _GONE not in line)
    return outcome


async def _import_sdks(address: str, secret: str) -> None:
    """Has each maker asked once: what its SDK takes is no growth of the server's."""
    token, _ = Tokens(KeyRing.parse(secret).derive("tokens")).issue_service("catalog", "", False)
    async with aio.insecure_channel(address) as channel:
        messages = MessagesServiceStub(channel)
        for provider in ModelProvider.keys()[1:]:
            request = CheckProviderRequest(provider=provider)
            await messages.CheckProvider(request, metadata=((AUTHORIZATION, f"Bearer {token}"),))


async def _sample(pid: int, samples: list[float]) -> None:
    """Memory that the process has resident, in MiB, every half second."""
    statm = Path(f"/proc/{pid}/statm")
    with suppress(FileNotFoundError):
        while True:
            samples.append(_resident(statm))
            await asyncio.sleep(_SAMPLE)


def _resident(statm: Path) -> float:
    return int(statm.read_text().split()[1]) * _PAGE / 2**20


async def _settled(address: str, secret: str) -> tuple[list[Orphan], CheckSummary]:
    """What a check finds once no event is under way any more, or after two minutes."""
    token = Tokens(KeyRing.parse(secret).derive("tokens")).issue_user("operator", True)[0]
    deadline = time.monotonic() + _SETTLING
    addresses = dict.fromkeys(SERVICES, address)
    async with Operator(addresses, token=token) as operator:
        while True:
            orphans, summary = [], CheckSummary()
            async for step in operator.check():
                if step.HasField("orphan"):
                    orphans.append(step.orphan)
                summary = step.summary
            if not (orphans or summary.unsettled_events) or time.monotonic() > deadline:
                return orphans, summary
            await asyncio.sleep(1)


def holding(secrets: Collection[str]) -> Callable[[str], bool]:
    """Whether a line holds one of the secrets. There may be thousands of them, and millions of lines."""
    size = min(map(len, secrets))
    by_beginning: dict[str, list[str]] = {}
    for secret in secrets:
        by_beginning.setdefault(secret[:size], []).append(secret)

    def holds(line: str) -> bool:
        beginnings = {line[at : at + size] for at in range(len(line) - size + 1)} & by_beginning.keys()
        return any(secret in line for beginning in beginnings for secret in by_beginning[beginning])

    return holds


def _lines(log: Path, wanted: Callable[[str], bool]) -> list[str]:
    """The first lines of the log that are wanted."""
    with log.open(encoding="utf-8", errors="replace") as opened:
        return [line[:300].rstrip() for line in islice(filter(wanted, opened), 20)]
