"""MongoDB is away, refuses, or is killed and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmchat.store.v1.lease_pb2 import Lease

from libs.common.errors import Conflict, Invalid, Unavailable
from libs.common.store.open import open_engine
from libs.common.store.port import Put, Query
from tests.conformance.acknowledging import all_ids
from tests.conformance.specimens import LEASES, SPECS, THREADS, put, thread
from tests.engines.mongodb import MONGODB, MongoServer
from tests.engines.running import Engines
from tests.engines.server import serving

on_what_is_there = pytest.mark.parametrize("name", [MONGODB.name])
PASSWORD = "correct-horse"


@pytest.fixture
def server(name: str, tmp_path: Path) -> Iterator[MongoServer]:
    """A server of the test's own, to be killed."""
    if reason := MONGODB.missing():
        pytest.skip(f"{name}: {reason}")
    with serving(MongoServer, tmp_path) as running:
        yield running


async def test_where_nobody_answers_it_is_unavailable_within_seconds() -> None:
    before = time.monotonic()
    with pytest.raises(
        Unavailable, match=r"MongoDB at 127\.0\.0\.1:9, database llmchat_threads: no primary"
    ) as refused:
        await open_engine(f"mongodb://llmchat:{PASSWORD}@127.0.0.1:9/llmchat", "threads", SPECS)
    assert time.monotonic() - before < 15
    assert PASSWORD not in refused.value.text


@on_what_is_there
async def test_wrong_credentials_are_told_without_them(name: str, engines: Engines) -> None:
    url = engines(name).url.replace("mongodb://", f"mongodb://nobody:{PASSWORD}@")
    with pytest.raises(Unavailable, match="AuthenticationFailed") as refused:
        await open_engine(url, "threads", SPECS)
    assert PASSWORD not in refused.value.text
    assert "nobody" not in refused.value.text


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://llmchat:{PASSWORD}@host:27017",
        f"mongodb://llmchat:{PASSWORD}@host:port/llmchat",
        f"mongodb://llmchat:{PASSWORD}@@host/llmchat",
        f"mongodb://llmchat:{PASSWORD}@host/llmchat?timeoutMS=soon&w=0",
        f"mongodb://llmchat:{PASSWORD}@host/a$b",
    ],
)
async def test_a_malformed_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(Invalid, match="mongodb://") as refused:
        await open_engine(url, "threads", SPECS)
    assert PASSWORD not in refused.value.text


@on_what_is_there
async def test_what_was_acknowledged_outlives_a_killed_server_and_the_store_goes_on(server: MongoServer) -> None:
    store = await open_engine(server.url, "threads", SPECS)
    acknowledged: list[str] = []

    async def commit_until_it_is_away(caller: int) -> None:
        while True:
            id = f"{caller}.{len(acknowledged)}"
            await store.commit([put(thread(id), 0), Put("leases", id, Lease(holder=id), 0)])
            acknowledged.append(id)

    callers = [asyncio.create_task(commit_until_it_is_away(caller)) for caller in range(4)]
    while len(acknowledged) < 40:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(server.kill)
    outcomes = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 60)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
    by_id = Query.by_id(THREADS)
    asked = (store.ping(), store.get(THREADS, "0.0"), store.query(by_id), store.count(by_id))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 4

    assert await asyncio.to_thread(server.start)
    found = await all_ids(store, THREADS, "")
    assert set(acknowledged) <= set(found)
    assert found == await all_ids(store, LEASES, "")
    await store.commit([put(thread("after"), 0)])
    with pytest.raises(Conflict):
        await store.commit([put(thread("after"), 0), put(thread("beside"), 0)])
    await store.close()
