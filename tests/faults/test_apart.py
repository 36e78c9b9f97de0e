"""Services apart, in replicas, with Redis between them: whatever dies, what was acknowledged stays and cascades end.

`LLMCHAT_FAULT_KILLS` sets how many processes are killed (20 by default), `LLMCHAT_FAULT_SEED` which and when.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
from llmchat.operations.v1.operations_service_pb2 import CheckSummary, Orphan

from libs.client.apart import Apart
from libs.client.operator import Operator
from libs.client.replica import Replica, State
from libs.common.clock import wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from libs.common.settings import SERVICES
from tests.faults.crowd import Crowd
from tests.faults.server import SECRET
from tests.integration.calling import eventually
from tests.integration.recount import Recount, StoredIn
from tests.integration.tables import tables

KILLS = int(os.environ.get("LLMCHAT_FAULT_KILLS", "20"))
# Seconds after the last fault until everything that was begun has ended; and with Redis away for good.
WITHIN, WITHIN_WITHOUT_REDIS = 30.0, 60.0
SETTINGS = {
    "LLMCHAT_SECRET_KEY": SECRET,
    "LLMCHAT_ECHO_TOKENS_PER_SECOND": "300",
    "LLMCHAT_LEASE_SECONDS": "3",
    "LLMCHAT_STOP_GRACE": "1",
}


class House:
    """Services apart, and the people in it."""

    def __init__(self, apart: Apart, folder: Path, dice: random.Random) -> None:
        self.apart = apart
        self.crowd = Crowd(apart.addresses, tokens(), dice)
        self._folder = folder
        self._harmed_at = 0.0

    def harmed(self) -> None:
        """Notes the time of a fault."""
        self._harmed_at = time.monotonic()

    async def ends_well(self, within: float) -> None:
        """All cascades end within so many seconds of the last fault; then nothing is lost and there is no orphan."""
        left = self._harmed_at + within - time.monotonic()
        await eventually(self._unsettled, lambda events: not events, within=left)
        print(f"all was settled {time.monotonic() - self._harmed_at:.1f} s after the last fault")  # noqa: T201
        await self.crowd.check()
        await eventually(self._unsettled, lambda events: not events, within=within)
        orphans, summary = await self._check()
        assert orphans == []
        assert summary.documents > 0
        assert (summary.unsettled_events, summary.parked_events) == (0, 0)
        assert Recount(StoredIn(self._folder).read).wrong(self.crowd.keepers) == []

    async def _unsettled(self) -> list[str]:
        return [id for service in SERVICES for id in tables(self._folder, service)["outbox"]]

    async def _check(self) -> tuple[list[Orphan], CheckSummary]:
        token, _ = tokens().issue_user("operator", True)
        async with Operator(self.apart.addresses, token=token) as operator:
            steps = [step async for step in operator.check()]
        return [step.orphan for step in steps if step.HasField("orphan")], steps[-1].summary


def tokens() -> Tokens:
    return Tokens(KeyRing.parse(SECRET).derive("tokens"), wall_clock)


@asynccontextmanager
async def house_of(folder: Path, replicas: int, dice: random.Random) -> AsyncIterator[House]:
    async with Apart(folder, replicas=replicas, settings=SETTINGS) as apart:
        house = House(apart, folder, dice)
        try:
            yield house
        finally:
            await house.crowd.close()


@pytest.mark.timeout(120 + 12 * KILLS)
async def test_any_process_killed_at_any_moment(tmp_path: Path, dice: random.Random) -> None:
    async with house_of(tmp_path / "data", 2, dice) as house:
        processes = list(house.apart.replicas.values())
        async with house.crowd.living():
            for _ in range(KILLS):
                await asyncio.sleep(dice.uniform(0.1, 1.0))
                victim = dice.choice([process for process in processes if process.state is State.SERVING])
                await victim.kill()
                house.harmed()
                # Sometimes its other half, too, before it is back.
                if dice.random() < 0.7:
                    await victim.serving()
        await house.apart.serving()
        await house.ends_well(WITHIN)
        assert sum(process.deaths for process in processes) == KILLS


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", ["frozen", "flushed", "cut"])
async def test_redis_frozen_flushed_and_cut_off(tmp_path: Path, dice: random.Random, fault: str) -> None:
    async with house_of(tmp_path / "data", 1, dice) as house:
        harm = FAULTS[fault]
        async with house.crowd.living():
            for _ in range(max(3, KILLS // 5)):
                await asyncio.sleep(dice.uniform(0.1, 1.0))
                await harm(house.apart.replica("redis"), dice)
                house.harmed()
        await house.ends_well(WITHIN)


@pytest.mark.timeout(240)
async def test_redis_gone_for_good(tmp_path: Path, dice: random.Random) -> None:
    async with house_of(tmp_path / "data", 1, dice) as house:
        async with house.crowd.living():
            await asyncio.sleep(dice.uniform(0.5, 2))
            await house.apart.replica("redis").stop()
            house.harmed()
            await asyncio.sleep(5)
        await house.ends_well(WITHIN_WITHOUT_REDIS)


async def freeze(process: Replica, dice: random.Random) -> None:
    process.freeze()
    await asyncio.sleep(dice.uniform(0.5, 5))
    process.thaw()


async def flush(process: Replica, dice: random.Random) -> None:
    async with redis.asyncio.from_url(f"redis://{process.address}") as client:
        await client.flushall()


async def cut(process: Replica, dice: random.Random) -> None:
    async with redis.asyncio.from_url(f"redis://{process.address}") as client:
        await client.client_kill_filter(_type=dice.choice(("pubsub", "normal")), skipme=True)


FAULTS: dict[str, Callable[[Replica, random.Random], Awaitable[None]]] = {
    "frozen": freeze,
    "flushed": flush,
    "cut": cut,
}
