"""What a store is measured by, and what its log may say."""

from __future__ import annotations

import logging

import pytest
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Conflict
from libs.common.store.decorators.metered import Metered
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Index, Put, Query

THREADS = CollectionSpec("threads", Thread, indexes=(Index(("user_id",), "updated_at"),))
LEASES = CollectionSpec("leases", Lease)
NEVER, ALWAYS = 60_000.0, 0.0


def metered(slow_ms: float) -> Metered:
    return Metered(MemoryStore([THREADS, LEASES]), slow_ms)


async def test_operations_are_counted_by_collection() -> None:
    store = metered(NEVER)
    await store.commit([Put("threads", "t1", Thread()), Put("threads", "t2", Thread()), Put("leases", "l", Lease())])
    await store.commit([Put("threads", "t1", Thread())])
    await store.get(THREADS, "t1")
    await store.get_many(THREADS, ["t1", "t2"])
    await store.query(Query.by_id(LEASES))
    await store.count(Query.by_id(LEASES))
    timings = store.snapshot()
    assert {key: timing.count for key, timing in timings.items()} == {
        ("commit", "threads"): 2,
        ("commit", "leases"): 1,
        ("get", "threads"): 1,
        ("get_many", "threads"): 1,
        ("query", "leases"): 1,
        ("count", "leases"): 1,
    }
    assert all(timing.seconds > 0 for timing in timings.values())


async def test_what_fails_is_counted_too() -> None:
    store = metered(NEVER)
    with pytest.raises(Conflict):
        await store.commit([Put("threads", "t1", Thread(), 7)])
    assert store.snapshot()["commit", "threads"].count == 1


async def test_the_log_names_collection_and_index_of_what_is_slow_and_no_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = metered(ALWAYS)
    await store.commit([Put("threads", "secret_id", Thread(user_id="secret_user", title="secret"))])
    await store.query(Query.where(THREADS, order="updated_at", user_id="secret_user"))
    await store.get(THREADS, "secret_id")
    texts = [record.getMessage() for record in caplog.records]
    assert [text.rpartition(":")[0] for text in texts] == [
        "slow commit on threads",
        "slow query on threads by user_id_updated_at",
        "slow get on threads",
    ]
    assert "secret" not in caplog.text


async def test_the_log_is_quiet_about_what_is_fast(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="libs")
    store = metered(NEVER)
    await store.query(Query.by_id(THREADS))
    assert caplog.records == []
