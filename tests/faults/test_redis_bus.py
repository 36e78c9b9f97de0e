"""Redis is killed, frozen, cut off, flushed, late: what was lost lies before a gap, and then everything flows again."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from libs.common.events.bus import GAP, Delivery
from libs.common.events.redis_bus import RedisBus, open_redis_bus
from tests.conformance.listening import Listener
from tests.faults.counting import CHANNEL, check_numbers, counting, flows, gap_then_flow
from tests.faults.redis import Redis
from tests.integration.calling import eventually
from tests.standins.wire import Wire

# Seconds. Connections are replaced after three heartbeats: soon where that is to be seen, and late enough where it is
# not to happen on a busy machine.
SOON, LATE = 0.2, 2.0
PATIENCE = 0.2
Fault = Callable[[Redis], Awaitable[None]]


def bus_at(redis: Redis, heartbeat: float = LATE, **options: int) -> AbstractAsyncContextManager[RedisBus]:
    return open_redis_bus(redis.url, heartbeat=heartbeat, patience=PATIENCE, **options)


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """One for the test alone."""
    redis = Redis()
    await redis.start()
    yield redis
    await redis.kill()


@asynccontextmanager
async def followed(redis: Redis, heartbeat: float) -> AsyncIterator[tuple[Listener, Listener]]:
    """A bus that counts aloud; who follows it through that bus, and who does through another."""
    own, other = Listener(), Listener()
    async with (
        bus_at(redis, heartbeat) as publisher,
        bus_at(redis, heartbeat) as follower,
        publisher.subscribe(own, CHANNEL),
        follower.subscribe(other, CHANNEL),
        counting(publisher),
    ):
        await flows(own)
        await flows(other)
        yield own, other


async def killed(redis: Redis) -> None:
    await redis.kill()
    await redis.start()


async def frozen(redis: Redis) -> None:
    redis.freeze()
    await asyncio.sleep(6 * SOON)  # the fault itself: longer than three heartbeats
    redis.thaw()


async def followers_cut_off(redis: Redis) -> None:
    assert await redis.execute("CLIENT", "KILL", "TYPE", "pubsub") == 2


async def publishers_cut_off(redis: Redis) -> None:
    assert await redis.execute("CLIENT", "KILL", "TYPE", "normal") == 2


@pytest.mark.parametrize(
    "fault",
    [killed, frozen, followers_cut_off, publishers_cut_off],
    ids=lambda one: one.__name__,
)
async def test_what_is_lost_lies_before_a_gap(redis: Redis, fault: Fault) -> None:
    async with followed(redis, SOON) as listeners:
        for _ in range(3):
            since = [len(listener.items) for listener in listeners]
            await fault(redis)
            for listener, items in zip(listeners, since, strict=True):
                await gap_then_flow(listener, items)
    for listener in listeners:
        check_numbers(listener.items)


async def test_a_publisher_that_was_cut_off_tells_followers_whose_connections_stood(redis: Redis) -> None:
    async with followed(redis, LATE) as (own, other):
        since = len(other.items)
        of_followers = await redis.execute("CLIENT", "LIST", "TYPE", "pubsub")
        publishers = (await redis.execute("CLIENT", "LIST", "TYPE", "normal")).decode().splitlines()
        id_of_the_first = publishers[0].split()[0].removeprefix("id=")
        assert await redis.execute("CLIENT", "KILL", "ID", id_of_the_first) == 1
        await gap_then_flow(other, since)
        follower = of_followers.splitlines()[-1].split()[0]
        assert follower in await redis.execute("CLIENT", "LIST", "TYPE", "pubsub")
    check_numbers(own.items)
    check_numbers(other.items)


async def test_a_publisher_tells_what_it_lost_when_it_publishes_again(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """It is cut off, and shut out until it has lost something; its followers' connections stand all the while."""
    under_way, while_away, nothing = Listener(), Listener(), Listener()
    async with (
        bus_at(redis) as publisher,
        bus_at(redis) as follower,
        follower.subscribe(under_way, "a"),
        follower.subscribe(while_away, "b"),
        follower.subscribe(nothing, "c"),
        redis.client() as execute,
    ):
        await execute("CONFIG", "SET", "requirepass", "something")
        publishers = (await execute("CLIENT", "LIST", "TYPE", "normal")).decode().splitlines()
        assert await execute("CLIENT", "KILL", "ID", publishers[0].split()[0].removeprefix("id=")) == 1
        publisher.publish("a", b"under way")
        async with asyncio.timeout(20):
            while "is away" not in caplog.text:
                await asyncio.sleep(0.001)
        publisher.publish("b", b"while away")
        await execute("CONFIG", "SET", "requirepass", "")
        await under_way.until(lambda: under_way.items)
        await while_away.until(lambda: while_away.items)
        publisher.publish("c", b"later")
        await nothing.count(1)
    assert (under_way.items, while_away.items) == ([GAP], [GAP])
    assert nothing.items == [Delivery("c", b"later")]


async def test_what_the_network_held_back_does_not_come_after_what_is_newer(redis: Redis) -> None:
    """Over a line, a stand-in for a network, that passes on what it held when the connections are long replaced."""
    listener = Listener()
    async with (
        Wire(redis.port) as wire,
        open_redis_bus(f"redis://127.0.0.1:{wire.port}", heartbeat=SOON, patience=PATIENCE) as publisher,
        bus_at(redis) as follower,
        follower.subscribe(listener, CHANNEL),
        counting(publisher),
    ):
        await flows(listener)
        since = len(listener.items)
        wire.hold()
        await gap_then_flow(listener, since)
        await wire.release()
        await flows(listener)
    check_numbers(listener.items)


async def test_flushing_redis_is_not_even_noticed(redis: Redis) -> None:
    async with followed(redis, LATE) as listeners:
        await redis.execute("FLUSHALL")
        for listener in listeners:
            await flows(listener)
    for listener in listeners:
        check_numbers(listener.items)
        assert GAP not in listener.items


async def test_a_redis_that_is_frozen_for_a_moment_loses_nothing(redis: Redis) -> None:
    async with followed(redis, LATE) as listeners:
        redis.freeze()
        await asyncio.sleep(LATE / 4)  # the fault itself: shorter than three heartbeats
        redis.thaw()
        for listener in listeners:
            await flows(listener)
    for listener in listeners:
        check_numbers(listener.items)
        assert GAP not in listener.items


async def test_a_frozen_redis_holds_nobody_up(redis: Redis) -> None:
    listener = Listener()
    async with followed(redis, SOON) as (own, _), bus_at(redis, SOON) as bus:
        redis.freeze()
        began = time.monotonic()
        for number in range(20):
            async with bus.subscribe(listener, f"other.{number}"):
                bus.publish(f"other.{number}", bytes(1_000_000))
        # Each waited for its confirmation, until the bus knew that Redis is away.
        assert time.monotonic() - began < 20 * PATIENCE
        redis.thaw()
        await gap_then_flow(own, 0)


async def test_a_bus_opens_before_its_redis_is_there(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await redis.kill()
    listener = Listener()
    async with open_redis_bus(redis.url, patience=10) as bus:
        began = time.monotonic()
        async with bus.subscribe(listener, "a", "b"):
            assert time.monotonic() - began < 5, "where Redis is known to be away nobody waits for it"
            bus.publish("a", b"lost")
            await redis.start()
            await listener.until(lambda: listener.items)
            bus.publish("a", b"heard")
            await listener.count(1)
    assert listener.items[0] == GAP
    assert listener.items[-1] == Delivery("a", b"heard")
    assert listener.payloads == [b"heard"]
    away, back = (record for record in caplog.records if record.name == "libs.common.events.redis_bus")
    assert (away.levelno, back.levelno) == (logging.WARNING, logging.INFO)
    assert "is away" in away.getMessage()
    assert "is back" in back.getMessage()


async def test_a_wrong_password_is_a_redis_that_is_away_and_stands_in_no_log(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await redis.execute("CONFIG", "SET", "requirepass", "right-secret")
    listener = Listener()
    async with (
        open_redis_bus(redis.url.replace("//", "//:wrong-secret@"), patience=10) as wrong,
        open_redis_bus(redis.url.replace("//", "//:right-secret@")) as right,
        wrong.subscribe(Listener(), "a"),
        right.subscribe(listener, "a"),
    ):
        wrong.publish("a", b"lost")
        right.publish("a", b"heard")
        await listener.count(1)
    assert listener.items == [Delivery("a", b"heard")]
    (away,) = (record for record in caplog.records if record.name == "libs.common.events.redis_bus")
    assert redis.url.removeprefix("redis://") in away.getMessage()
    assert "secret" not in caplog.text


async def test_installations_with_different_numbers_share_a_redis(redis: Redis) -> None:
    first, second = Listener(), Listener()
    async with (
        open_redis_bus(f"{redis.url}/1") as one,
        open_redis_bus(f"{redis.url}/2") as two,
        one.subscribe(first, "a"),
        two.subscribe(second, "a"),
    ):
        one.publish("a", b"one")
        two.publish("a", b"two")
        await first.count(1)
        await second.count(1)
        assert {*await redis.execute("PUBSUB", "CHANNELS", "llmchat.*.a")} == {b"llmchat.1.a", b"llmchat.2.a"}
    assert (first.items, second.items) == ([Delivery("a", b"one")], [Delivery("a", b"two")])


async def test_a_publisher_that_is_faster_than_redis_keeps_the_newest_and_tells_of_the_gap(redis: Redis) -> None:
    everything, calm = Listener(), Listener()
    async with (
        bus_at(redis, most_bytes=100_000) as publisher,
        bus_at(redis) as follower,
        follower.subscribe(everything, CHANNEL),
        follower.subscribe(calm, "calm"),
    ):
        publisher.publish(CHANNEL, b"1")
        await everything.count(1)
        for number in range(2, 10_001):
            publisher.publish(CHANNEL, b"%d" % number)
        await everything.until(lambda: everything.payloads[-1:] == [b"10000"])
        publisher.publish("calm", b"last")
        await calm.count(1)
    check_numbers(everything.items)
    assert 100 < len(everything.payloads) < 1000
    assert calm.items == [Delivery("calm", b"last")], "a channel that lost nothing has no gap"


async def test_two_connections_serve_a_process_and_none_is_left_behind(redis: Redis) -> None:
    async with redis.client() as execute:

        async def connections() -> int:
            return len((await execute("CLIENT", "LIST")).splitlines()) - 1

        async with bus_at(redis) as bus, bus.subscribe(Listener(), "a"), bus.subscribe(Listener(), "a", "b"):
            assert await connections() == 2
            assert await execute("PUBSUB", "NUMSUB", "llmchat.0.a", "llmchat.0.b") == [
                *(b"llmchat.0.a", 1),
                *(b"llmchat.0.b", 1),
            ]
        await eventually(connections, lambda count: count == 0)


async def test_what_was_published_before_the_end_is_sent(redis: Redis) -> None:
    listener = Listener()
    async with bus_at(redis) as follower, follower.subscribe(listener, "a"):
        async with bus_at(redis) as publisher:
            for number in range(1000):
                publisher.publish("a", b"%d" % number)
        await listener.count(1000)


async def test_two_processes_and_a_redis_that_is_killed_between_them(redis: Redis) -> None:
    listener = Listener()
    async with bus_at(redis, SOON) as follower, follower.subscribe(listener, CHANNEL):
        command = (sys.executable, "-m", "tests.faults.counting", redis.url, CHANNEL)
        process = await asyncio.create_subprocess_exec(*command)
        try:
            await flows(listener)
            for _ in range(3):
                since = len(listener.items)
                await killed(redis)
                await gap_then_flow(listener, since)
        finally:
            process.kill()
            await process.wait()
    check_numbers(listener.items)
