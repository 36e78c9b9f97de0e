"""Whether the time of a failed login tells if anybody has the name: Welch's t-test over logins of either kind.

Usage: `python -m benchmarks.login_times [--samples 2000]`. Ends with 1 where it does: |t| ≥ 4.5, the limit that is
usual for leaks by timing (ISO/IEC 17825).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, median, stdev, variance

from grpc import StatusCode, aio
from llmchat.users.v1.users_service_pb2 import CreateUserRequest, LoginRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from benchmarks.machine import describe_machine
from benchmarks.server import serving
from libs.common.logs import configure_logging

_ACCOUNTS = 100
_WARM_UP = 10
_LIMIT = 4.5


def main() -> None:
    """Runs what the command line chooses."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.login_times", description=__doc__)
    parser.add_argument("--samples", type=int, default=2000, help="failed logins of each kind")
    chosen = parser.parse_args()
    configure_logging("ERROR", "text")
    print(describe_machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), limits="off", login_failures=1_000_000) as server,
    ):
        known, unknown = asyncio.run(_measure(server.address, chosen.samples))
    for what, seconds in (("known", known), ("unknown", unknown)):
        print(
            f"  {what} names: {len(seconds)} logins, mean {fmean(seconds) * 1000:.3f} ms,"
            f" median {median(seconds) * 1000:.3f} ms, standard deviation {stdev(seconds) * 1000:.3f} ms"
        )
    t = welch_t(known, unknown)
    tells = abs(t) >= _LIMIT
    print(f"  Welch's t = {t:.2f}: |t| is {'not ' if tells else ''}below {_LIMIT}")
    sys.exit(tells)


async def _measure(address: str, samples: int) -> tuple[list[float], list[float]]:
    """Seconds of the logins with known names and with unknown ones, one at a time and in random order."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    order = [is_known for is_known in seconds for _ in range(samples)]
    random.shuffle(order)
    async with aio.insecure_channel(address) as channel:
        users = UsersServiceStub(channel)
        accounts = (
            CreateUserRequest(username=_name(True, number), display_name="Known", password="the right one")  # noqa: S106
            for number in range(_ACCOUNTS)
        )
        await asyncio.gather(*(users.CreateUser(request, timeout=300) for request in accounts))

        async def login(is_known: bool) -> float:
            name = _name(is_known, random.randrange(_ACCOUNTS))  # noqa: S311 # no secret
            request = LoginRequest(username=name, password="a wrong one")  # noqa: S106
            started = time.perf_counter()
            code = await users.Login(request).code()
            took = time.perf_counter() - started
            assert code is StatusCode.UNAUTHENTICATED, code
            return took

        for number in range(_WARM_UP):
            await login(number % 2 == 0)
        for is_known in order:
            seconds[is_known].append(await login(is_known))
    return seconds[True], seconds[False]


def _name(is_known: bool, number: int) -> str:
    """Names of either kind are of one length."""
    return f"{'somebody' if is_known else 'anybody.'}{number:03}@example.org"


def welch_t(one: Sequence[float], other: Sequence[float]) -> float:
    """The difference of the means in its standard errors, of samples whose variances may differ."""
    return (fmean(one) - fmean(other)) / sqrt(variance(one) / len(one) + variance(other) / len(other))


if __name__ == "__main__":
    main()
