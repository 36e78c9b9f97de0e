"""A process that commits as fast as it can and says what was acknowledged, until it is killed.

`python -m tests.conformance.acknowledging PROVIDER FOLDER ROUND` prints a line `ROUND.CALLER.NUMBER` for every commit
that returned.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from llmchat.store.v1.lease_pb2 import Lease

from libs.common.store.port import Put
from tests.conformance.specimens import OPENERS, put, thread

CALLERS = 8


async def commit_for_ever(provider: str, folder: Path, round_: str) -> None:
    """Each commit is a thread and a lease of the same id; some also change the caller's one counter."""
    store = OPENERS[provider](folder)

    async def caller(name: int) -> None:
        number = 0
        while True:
            id = f"{round_}.{name}.{number}"
            counter = thread(f"counter.{round_}.{name}", total=number)
            await store.commit([put(thread(id), 0), put(counter, number), Put("leases", id, Lease(holder=id), 0)])
            os.write(1, f"{id}\n".encode())
            number += 1

    await asyncio.gather(*(caller(name) for name in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(commit_for_ever(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
