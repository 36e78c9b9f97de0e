"""A program that writes answers outside, to be killed: `python -m tests.faults.generator ADDRESS CLAIMANT PACE`.

It repeats the question, word by word, PACE words a second. The token comes in TOKEN.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.client.generator import ClaimedAnswer, Generator
from libs.common.errors import Precondition
from tests.integration.outside import MODEL


def said_of(question: str) -> list[str]:
    """The tokens of an answer."""
    return [f"{word} " for word in question.split()]


async def write(answer: ClaimedAnswer, pace: float) -> None:
    """Says what is not said yet."""
    try:
        for token in said_of(answer.context[-1].text)[answer.seq :]:
            await answer.append(token)
            await asyncio.sleep(1 / pace)
        await answer.end()
    except Precondition:
        pass


async def serve(address: str, claimant: str, pace: float) -> None:
    async with (
        Generator(address, token=os.environ["TOKEN"], claimant=claimant) as generator,
        asyncio.TaskGroup() as tasks,
    ):
        async for answer in generator.claim(MODEL):
            tasks.create_task(write(answer, pace))


@asynccontextmanager
async def generating(
    address: str, token: str, *, claimant: str = "one", pace: float = 200
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program at work; it is killed when the context is left."""
    command = (sys.executable, "-m", "tests.faults.generator", address, claimant, str(pace))
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "TOKEN": token})
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], float(sys.argv[3])))
