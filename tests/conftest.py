"""What tests of all kinds share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from libs.client.redis_process import redis_serving

# Tests call faster than people: those of limits set their own. Here, so that processes that tests start inherit it.
os.environ["LLMCHAT_LIMITS"] = "off"
# Nobody asks makers of models how they are, stand-ins or real ones, but for tests of that.
os.environ["LLMCHAT_HEALTH_INTERVAL"] = "0"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url() -> AsyncIterator[str]:
    """A real Redis: the one at `LLMCHAT_TEST_REDIS_URL`, or one of this machine, for this test process alone."""
    if given := os.environ.get("LLMCHAT_TEST_REDIS_URL"):
        yield given
        return
    async with redis_serving() as redis:
        yield redis.url


_CRASHED = pytest.StashKey[set[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """A test whose process was ended by native code is run once more, in sight: the crash stands in the output.

    A process that has started and stopped thousands of gRPC servers was seen to crash once in two whole runs, in native
    code, at a test that has nothing to do with it; why is not known. One that crashes by itself does so again, and has
    failed.
    """
    crashed: set[str] = sched.config.stash.setdefault(_CRASHED, set())
    if crashitem not in crashed:
        crashed.add(crashitem)
        report.outcome = "rerun"  # type: ignore[assignment] # xdist knows this word, too
        sched.mark_test_pending(crashitem)
