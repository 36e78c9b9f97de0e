"""What tests of all kinds share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

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
