"""What every bus does. Each test runs within one process and, over a real Redis, between two ends of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from libs.common.events.bus import GAP, Bus, Delivery
from libs.common.events.open import open_bus
from libs.common.events.subscription import subscribed
from tests.conformance.listening import Listener


@dataclass(frozen=True)
class Ends:
    """Where is published and where is followed: one bus, or two that know each other through Redis alone."""

    publisher: Bus
    follower: Bus


@pytest.fixture(params=["in_process", "redis", "redis_between_two"])
def urls(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "in_process":
        return ["memory://"]
    return [request.getfixturevalue("redis_url")] * (2 if request.param == "redis_between_two" else 1)


@pytest.fixture
async def ends(urls: list[str]) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(open_bus(url)) for url in urls]
        yield Ends(buses[0], buses[-1])


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"test.{uuid.uuid4().hex}"


async def test_what_one_publisher_publishes_comes_whole_and_in_order(ends: Ends, channel: str) -> None:
    listener = Listener()
    async with ends.follower.subscribe(listener, channel):
        for number in range(3000):
            ends.publisher.publish(channel, b"publisher %d" % number)
            ends.follower.publish(channel, b"follower %d" % number)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await listener.count(6000)
    for name in (b"publisher", b"follower"):
        own = [payload for payload in listener.payloads if payload.startswith(name)]
        assert own == [b"%s %d" % (name, number) for number in range(3000)]
    assert GAP not in listener.items


async def test_everybody_who_follows_a_channel_gets_everything_once(ends: Ends, channel: str) -> None:
    listeners = [Listener() for _ in range(10)]
    async with AsyncExitStack() as stack:
        for number, listener in enumerate(listeners):
            bus = ends.publisher if number < 5 else ends.follower
            await stack.enter_async_context(bus.subscribe(listener, channel))
        for number in range(100):
            ends.publisher.publish(channel, b"%d" % number)
        for listener in listeners:
            await listener.count(100)
    for listener in listeners:
        assert listener.items == [Delivery(channel, b"%d" % number) for number in range(100)]


async def test_a_sink_follows_several_channels_and_no_others(ends: Ends, channel: str) -> None:
    listener = Listener()
    async with ends.follower.subscribe(listener, f"{channel}.a", f"{channel}.b"):
        for number, name in enumerate("abcabc"):
            ends.publisher.publish(f"{channel}.{name}", b"%d" % number)
        await listener.count(4)
    assert listener.items == [
        Delivery(f"{channel}.a", b"0"),
        Delivery(f"{channel}.b", b"1"),
        Delivery(f"{channel}.a", b"3"),
        Delivery(f"{channel}.b", b"4"),
    ]


async def test_nothing_published_after_entering_is_missed(ends: Ends, channel: str) -> None:
    for number in range(200):
        listener = Listener()
        async with ends.follower.subscribe(listener, f"{channel}.{number}"):
            ends.publisher.publish(f"{channel}.{number}", b"at once")
            await listener.count(1)
        assert listener.items == [Delivery(f"{channel}.{number}", b"at once")]


async def test_who_has_left_is_brought_nothing(ends: Ends, channel: str) -> None:
    staying, leaving = Listener(), Listener()
    async with ends.follower.subscribe(staying, channel):
        async with ends.follower.subscribe(leaving, channel):
            ends.publisher.publish(channel, b"to both")
            await leaving.count(1)
        ends.publisher.publish(channel, b"to one")
        await staying.count(2)
    assert leaving.payloads == [b"to both"]
    assert staying.payloads == [b"to both", b"to one"]


async def test_a_channel_that_is_left_and_followed_again_at_once_brings_everything(ends: Ends, channel: str) -> None:
    async def visit(turns: int) -> None:
        for number in range(turns):
            listener = Listener()
            payload = uuid.uuid4().bytes
            async with ends.follower.subscribe(listener, channel):
                ends.publisher.publish(channel, payload)
                await listener.until(lambda: payload in listener.payloads)  # noqa: B023 # it is awaited right here
            if number % 3 == 0:
                await asyncio.sleep(0)
            assert GAP not in listener.items

    await visit(100)
    await asyncio.gather(*(visit(turns) for turns in range(10, 30)))


@pytest.mark.parametrize(
    "payload",
    [b"", bytes(range(256)), b"\r\n$5\r\nhello\r\n", bytes(range(256)) * 4096],
    ids=["empty", "every_byte", "protocol", "1_mib"],
)
async def test_a_payload_is_any_bytes(ends: Ends, channel: str, payload: bytes) -> None:
    listener = Listener()
    async with ends.follower.subscribe(listener, channel):
        for _ in range(3):
            ends.publisher.publish(channel, payload)
        await listener.count(3)
    assert all(came == payload for came in listener.payloads)


async def test_a_thousand_followers_get_what_is_theirs(ends: Ends, channel: str) -> None:
    listeners = [Listener() for _ in range(1000)]
    async with AsyncExitStack() as stack:
        await asyncio.gather(
            *(
                stack.enter_async_context(ends.follower.subscribe(listener, f"{channel}.{number}"))
                for number, listener in enumerate(listeners)
            )
        )
        for number in range(1000):
            ends.publisher.publish(f"{channel}.{number}", b"%d" % number)
        for listener in listeners:
            await listener.count(1)
    for number, listener in enumerate(listeners):
        assert listener.items == [Delivery(f"{channel}.{number}", b"%d" % number)]


async def test_publishing_calls_no_sink_by_itself(ends: Ends, channel: str) -> None:
    listener = Listener()
    async with ends.follower.subscribe(listener, channel):
        ends.publisher.publish(channel, b"later")
        assert listener.items == []
        await listener.count(1)


async def test_publishing_what_nobody_follows_is_nothing(ends: Ends, channel: str) -> None:
    for _ in range(10_000):
        ends.publisher.publish(channel, b"to nobody")
    listener = Listener()
    async with ends.follower.subscribe(listener, f"{channel}.next"):
        ends.publisher.publish(f"{channel}.next", b"to somebody")
        await listener.count(1)


async def test_a_sink_may_publish(ends: Ends, channel: str) -> None:
    listener = Listener()
    async with (
        ends.follower.subscribe(lambda item: ends.follower.publish(f"{channel}.answer", b"heard"), channel),
        ends.publisher.subscribe(listener, f"{channel}.answer"),
    ):
        ends.publisher.publish(channel, b"question")
        await listener.count(1)
    assert listener.payloads == [b"heard"]


async def test_a_queue_that_overflows_shows_a_gap(ends: Ends, channel: str) -> None:
    everything = Listener()
    async with (
        subscribed(ends.follower, channel, size=10) as items,
        ends.follower.subscribe(everything, channel),
    ):
        for number in range(15):
            ends.publisher.publish(channel, b"%d" % number)
        await everything.count(15)
        assert [await anext(items) for _ in range(5)] == [
            GAP,  # for 0 to 10
            *(Delivery(channel, b"%d" % number) for number in range(11, 15)),
        ]
