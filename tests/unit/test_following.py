"""Following an answer that another replica writes: over the bus, which may lose, double and mix up what it likes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from llmchat.messages.stored.v1.stream_pb2 import Chunk
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE

from libs.common.events.bus import GAP, Sink
from libs.common.events.in_process_bus import InProcessBus
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Put, Write
from tests.integration.watching import Seen
from tests.unit.replicas import Installation, Replica, installed, said

TOKENS = [f"{number} " for number in range(200)]


class CountingBus(InProcessBus):
    """Counts who is subscribed to an answer's tokens now, and how many ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.ever = 0
        self.sinks: list[Sink] = []

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        counted = sum(channel.startswith("tokens.") for channel in channels)
        self.now += counted
        self.ever += counted
        self.sinks += [sink] * counted
        try:
            async with super().subscribe(sink, *channels):
                yield
        finally:
            self.now -= counted


class SlowBus(InProcessBus):
    """Takes its time with a subscription: until the test lets it stand."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.stands = asyncio.Event()

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        if channels[0].startswith("tokens."):
            self.asked.set()
            await self.stands.wait()
        async with super().subscribe(sink, *channels):
            yield


class LateStore:
    """A stand-in for a replica's way to the store: that a chunk is stored is heard when the test lets it be heard."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.answers = asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> None:
        await self._store.commit(writes)
        if any(isinstance(write, Put) and isinstance(write.message, Chunk) for write in writes):
            await self.answers.wait()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class LostBus(InProcessBus):
    """A bus that is away: it loses everything and says nothing."""

    def publish(self, channel: str, payload: bytes) -> None:
        """Lost."""


class UnrulyBus(InProcessBus):
    """Loses some, doubles some, delays some past others."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)  # noqa: S311 # a test's
        self.did: Counter[str] = Counter()

    def publish(self, channel: str, payload: bytes) -> None:
        """Seldom as it should."""
        loop = asyncio.get_running_loop()
        match self._dice.choice(("lose", "double", "delay", "deliver")):
            case "lose":
                self.did["lost"] += 1
            case "double":
                super().publish(channel, payload)
                super().publish(channel, payload)
            case "delay":
                loop.call_later(self._dice.uniform(0, 0.02), super().publish, channel, payload)
            case "deliver":
                super().publish(channel, payload)


@pytest.fixture
def bus() -> CountingBus:
    return CountingBus()


@pytest.fixture
async def installation(bus: CountingBus) -> AsyncIterator[Installation]:
    async with installed(bus) as installation:
        yield installation


async def tell(replica: Replica, pieces: list[str] = TOKENS) -> None:
    """The whole answer, with turns of the loop in between so that it comes in many chunks."""
    for piece in pieces:
        replica.model.say(piece)
        for _ in range(4):
            await asyncio.sleep(0)
    replica.model.finish()


async def test_each_token_comes_once_and_in_order_while_it_is_written(installation: Installation) -> None:
    one, other = installation.replica("one"), installation.replica("other")
    message_id = await one.ask()
    for number, token in enumerate(TOKENS[:20], start=1):
        one.model.say(token)
        seen = await other.follow(message_id, until=number)
        assert seen.tokens == TOKENS[:number]
    viewer = other.follow(message_id)
    await tell(one, TOKENS[20:])
    seen = await viewer
    assert seen.tokens == TOKENS == said(await other.answer(message_id))
    assert seen.ended is not None
    assert seen.ended.status == MESSAGE_STATUS_COMPLETE


async def test_what_is_written_before_the_subscription_stands() -> None:
    bus = SlowBus()
    async with installed(bus) as installation:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        viewer = other.follow(message_id, until=1)
        await bus.asked.wait()
        one.model.say("a")
        await installation.stored(message_id, ["a"])
        bus.stands.set()
        assert (await viewer).tokens == ["a"]


async def test_after_any_token_and_on_any_replica(installation: Installation) -> None:
    """Viewers that join at each moment, and all of them again once the answer has ended."""
    one, *others = (installation.replica(name) for name in ("one", "two", "three"))
    message_id = await one.ask()
    telling = asyncio.create_task(tell(one))
    joined = Seen(message_id)
    viewers = []
    for number in range(1, 100):
        await others[number % 2].follow(message_id, joined, until=number)
        viewers.append(others[number % 2].follow(message_id, Seen(message_id, joined.tokens[:number])))
    await telling
    for viewer in viewers:
        assert (await viewer).tokens == TOKENS
    for seq in range(len(TOKENS) + 1):
        assert (await others[seq % 2].follow(message_id, Seen(message_id, TOKENS[:seq]))).tokens == TOKENS


async def test_after_a_token_of_which_its_writer_has_not_heard_yet_that_it_is_stored(
    installation: Installation,
) -> None:
    store = LateStore(installation.store)
    one, other = installation.replica("one", store=store), installation.replica("other")  # type: ignore[arg-type]
    message_id = await one.ask()
    one.model.say("a")
    await installation.stored(message_id, ["a"])
    seen = await other.follow(message_id, until=1)
    viewer = one.follow(message_id, seen)
    store.answers.set()
    one.model.say("b")
    one.model.finish()
    assert (await viewer).tokens == ["a", "b"]


async def test_a_queued_answer_that_begins_elsewhere(installation: Installation) -> None:
    one, other = installation.replica("one"), installation.replica("other")
    await one.ask()
    waiting = await other.ask()
    viewer = other.follow(waiting)
    one.model.finish()
    await tell(one)
    assert (await viewer).tokens == TOKENS


class TestSubscriptions:
    async def test_none_where_the_answer_is_written(self, installation: Installation, bus: CountingBus) -> None:
        one = installation.replica("one")
        message_id = await one.ask()
        viewers = [one.follow(message_id) for _ in range(3)]
        await tell(one)
        for viewer in viewers:
            assert (await viewer).tokens == TOKENS
        assert bus.ever == 0

    async def test_none_for_an_answer_that_has_ended(self, installation: Installation, bus: CountingBus) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        await tell(one)
        await installation.ended(message_id)
        assert (await other.follow(message_id)).tokens == TOKENS
        assert bus.ever == 0

    async def test_none_is_left_behind(self, installation: Installation, bus: CountingBus) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        one.model.say("a")
        await asyncio.gather(*(other.follow(message_id, until=1) for _ in range(3)))
        leaving = other.follow(message_id)
        staying = other.follow(message_id)
        await _until_subscribed(bus, 2)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert bus.now == 1
        one.model.finish()
        assert (await staying).tokens == ["a"]
        assert bus.now == 0

    async def test_a_gap_sends_to_the_store(self, installation: Installation, bus: CountingBus) -> None:
        one, other = installation.replica("one"), installation.replica("other")
        message_id = await one.ask()
        viewer = other.follow(message_id)
        await _until_subscribed(bus, 1)
        [sink] = bus.sinks
        # What comes now is lost on its way.
        bus.publish = lambda channel, payload: None  # type: ignore[method-assign]
        await tell(one)
        await installation.ended(message_id)
        assert not viewer.done()
        sink(GAP)
        assert (await viewer).tokens == TOKENS


async def test_with_no_bus_at_all_it_comes_by_the_watchdog() -> None:
    async with installed(LostBus()) as installation:
        one, other = installation.replica("one"), installation.replica("other", watchdog=0.01)
        message_id = await one.ask()
        viewer = other.follow(message_id)
        for start in range(0, len(TOKENS), 20):
            for token in TOKENS[start : start + 20]:
                one.model.say(token)
            await other.follow(message_id, until=start + 20)
        one.model.finish()
        assert (await viewer).tokens == TOKENS


@pytest.mark.parametrize("seed", range(10))
async def test_on_an_unruly_bus(seed: int) -> None:
    bus = UnrulyBus(seed)
    async with installed(bus) as installation:
        one, other = installation.replica("one"), installation.replica("other", watchdog=0.05)
        message_id = await one.ask()
        viewers = [other.follow(message_id) for _ in range(3)]
        await tell(one)
        for viewer in viewers:
            assert (await viewer).tokens == TOKENS
    assert bus.did["lost"]


async def test_viewers_of_a_writer_that_lost_its_answer_go_on_over_the_bus(
    installation: Installation, bus: CountingBus
) -> None:
    """Between the fence and the end nothing is announced; the end comes from the other replica."""
    one, other = installation.replica("one"), installation.replica("other")
    message_id = await one.ask()
    viewer = one.follow(message_id)
    one.model.say("a")
    await installation.stored(message_id, ["a"])
    await other.generations.cancel(message_id)
    assert (await viewer).tokens == ["a"]
    assert bus.now == 0


async def _until_subscribed(bus: CountingBus, count: int) -> None:
    async with asyncio.timeout(10):
        while bus.now < count:
            await asyncio.sleep(0)
