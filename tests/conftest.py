"""What tests of all kinds share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from libs.client.redis_process import redis_serving
from tests.engines.containers import REDIS
from tests.engines.running import Engines, told

# Tests call faster than people: those of limits set their own. Here, so that processes that tests start inherit it.
os.environ["LLMCHAT_LIMITS"] = "off"
# Nobody asks makers of models how they are, stand-ins or real ones, but for tests of that.
os.environ["LLMCHAT_HEALTH_INTERVAL"] = "0"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url() -> AsyncIterator[str]:
    """A real Redis: the one at `LLMCHAT_TEST_REDIS_URL`, or for this test process alone one in a container, or one of
    this machine.
    """
    if given := os.environ.get("LLMCHAT_TEST_REDIS_URL"):
        yield given
        return
    if not REDIS.missing():
        with REDIS.serve() as served:
            yield served.url
        return
    async with redis_serving() as redis:
        yield redis.url


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """The store engines that are served, for this test process alone."""
    with ExitStack() as stack:
        yield Engines(stack, tmp_path_factory.mktemp("engines"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which engines no test ran against, and why."""
    for line in told():
        terminalreporter.write_line(line, yellow=True)
