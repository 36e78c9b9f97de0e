"""The bus between processes: Redis pub/sub, over connections that prove themselves."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Connection, RedisError
from redis.exceptions import ResponseError
from ulid import ULID

from libs.common.events.bus import Delivery, Gap, Pulse, Sink
from libs.common.events.followers import Followers
from libs.common.events.outgoing import GAPS, Outgoing
from libs.common.events.redis_address import RedisAddress

_log = logging.getLogger(__name__)

# Heartbeats that may stay out before the connections are replaced.
_MISSED = 3
# Seconds: for a connection to stand; for what waits at the end to be sent; between attempts to connect.
_CONNECT = 2.0
_FLUSH = 0.5
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 3.0


@asynccontextmanager
async def open_redis_bus(
    url: str, *, heartbeat: float = 1.0, patience: float = 1.0, most_bytes: int = 32 * 1024 * 1024
) -> AsyncIterator[RedisBus]:
    """The bus at `redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://` for TLS, until the context is left.

    Its channels are `llmchat.NUMBER.…` there: several installations may share a Redis, each with a number of its own.
    It opens where Redis is away too, which is logged, and looks for it from then on. Parameters of the URL are those
    of redis-py for TLS, `?ssl_ca_certs=FILE` for example.

    Args:
        url: where Redis is.
        heartbeat: seconds between messages to itself; when three stay out the connections are replaced.
        patience: seconds that opening and subscribing wait at most.
        most_bytes: what may wait to be published; beyond it the oldest are dropped.

    Raises:
        Invalid: the URL is malformed.
    """
    bus = RedisBus(RedisAddress(url), heartbeat, patience, most_bytes)
    task = asyncio.create_task(bus.run())
    try:
        await bus.first_verdict()
        yield bus
        await bus.flush()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class RedisBus:
    """A `Bus` over two connections, one that publishes and one that is subscribed, replaced together.

    What a publisher loses it tells: when it publishes again, those who follow a channel on which something was lost
    get a `Gap` first, in whatever process they are.
    """

    def __init__(self, address: RedisAddress, heartbeat: float, patience: float, most_bytes: int) -> None:
        self._address = address
        self._heartbeat = heartbeat
        self._patience = patience
        self._outgoing = Outgoing(most_bytes)
        self._followers = Followers()
        self._own = f"bus.heartbeat.{str(ULID()).lower()}"
        self._missed = 0
        # Seconds that the last heartbeat took.
        self._latency: float | None = None
        # Whether Redis is there, as far as is known: None before the first verdict.
        self._is_up: bool | None = None
        self._verdict = asyncio.Event()
        # The publishing connection of before, by its id and address in Redis.
        self._former: tuple[bytes, bytes] | None = None

    def publish(self, channel: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        self._outgoing.put(Delivery(channel, payload))

    def pulse(self) -> Pulse:
        """See `Bus.pulse`."""
        return Pulse(is_shared=True, is_up=self._is_up is True, latency=self._latency if self._is_up else None)

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        """See `Bus.subscribe`."""
        follower = self._followers.add(sink, *channels)
        try:
            if self._is_up is not False:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._patience):
                        await follower.confirmed
            follower.confirmed.cancel()
            yield
        finally:
            self._followers.remove(follower)

    async def first_verdict(self) -> None:
        """Returns when it is known whether Redis is there, or after the bus's patience."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._verdict.wait()

    async def flush(self) -> None:
        """Returns when nothing waits to be published, or after half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                await self._outgoing.idle.wait()

    async def run(self) -> None:
        """Keeps the connections, until cancelled."""
        self._followers.add(self._hear, self._own, GAPS).confirmed.cancel()
        delay = _FIRST_DELAY
        while True:
            try:
                await self._hold_connections()
            except Exception as error:
                if self._is_up:
                    delay = _FIRST_DELAY
                self._went_away(_first_of(error))
            # Not all processes at once, when Redis is back.
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _hold_connections(self) -> None:
        async with self._address.connected(_CONNECT) as publisher, self._address.connected(_CONNECT) as subscriber:
            async with asyncio.timeout(_CONNECT):
                await self._fence(publisher)
            self._outgoing.open()
            try:
                async with asyncio.TaskGroup() as tasks:
                    for work in (
                        self._publish(publisher),
                        self._tell(subscriber),
                        self._read(subscriber),
                        self._beat(),
                    ):
                        tasks.create_task(work)
            finally:
                self._outgoing.close()
                self._followers.disconnected()

    async def _fence(self, publisher: Connection) -> None:
        """Ends the former publishing connection in Redis.

        A Redis that was frozen or cut off may still have messages of it to read, which would come after newer ones.
        """
        # Where Redis does not allow this, or is older than 6.2, such a message may come late.
        with suppress(ResponseError):
            if self._former is not None:
                await publisher.send_command("CLIENT", "KILL", "ID", self._former[0], "ADDR", self._former[1])
                await publisher.read_response()
            await publisher.send_command("CLIENT", "INFO")
            info = dict(pair.partition(b"=")[::2] for pair in (await publisher.read_response()).split())
            self._former = info[b"id"], info[b"addr"]

    async def _publish(self, publisher: Connection) -> None:
        while True:
            await self._outgoing.filled.wait()
            batch = self._outgoing.take()
            commands = [("PUBLISH", self._address.prefix + one.channel, one.payload) for one in batch]
            try:
                await publisher.send_packed_command(publisher.pack_commands(commands))
                for _ in batch:
                    await publisher.read_response()
            except BaseException:
                # Sending them again could deliver them twice.
                self._outgoing.lose(batch)
                raise
            self._outgoing.sent()

    async def _tell(self, subscriber: Connection) -> None:
        while True:
            await self._followers.changed.wait()
            changes = zip(("SUBSCRIBE", "UNSUBSCRIBE"), self._followers.changes(), strict=True)
            commands = [(name, *map(self._address.prefix.__add__, channels)) for name, channels in changes if channels]
            await subscriber.send_packed_command(subscriber.pack_commands(commands))

    async def _read(self, subscriber: Connection) -> None:
        while True:
            # Left as it is on an error: a connection that is disconnected connects itself when something is sent.
            kind, name, content = await subscriber.read_response(disconnect_on_error=False)
            channel = name.decode().removeprefix(self._address.prefix)
            if kind == b"message":
                self._followers.deliver(Delivery(channel, content))
            else:
                self._followers.answered(channel)

    async def _beat(self) -> None:
        # Beats are counted, not seconds: a loop that was held up replaces nothing.
        self._missed = 0
        while self._missed < _MISSED:
            await asyncio.sleep(self._heartbeat)
            self._missed += 1
            self._put_beat()
        raise TimeoutError(f"{_MISSED} heartbeats stayed out")

    def _put_beat(self) -> None:
        self._outgoing.put_first(Delivery(self._own, repr(time.monotonic()).encode()))

    def _hear(self, item: Delivery | Gap) -> None:
        if isinstance(item, Gap):
            # The bus's own channels stand: now the way to Redis and back can be tried.
            self._put_beat()
        elif item.channel == GAPS:
            self._followers.tell_gap(item.payload.decode() or None)
        else:
            self._missed = 0
            self._latency = time.monotonic() - float(item.payload)
            if self._is_up is False:
                _log.info("Redis at %s is back", self._address)
            self._is_up = True
            self._verdict.set()

    def _went_away(self, error: BaseException) -> None:
        if not isinstance(error, RedisError | OSError):
            _log.error("the connections to Redis at %s broke", self._address, exc_info=error)
        elif self._is_up is not False:
            _log.warning(
                "Redis at %s is away, until it is back events travel slowly: %s",
                self._address,
                self._address.without_password(str(error)) or type(error).__name__,
            )
        self._is_up = False
        self._verdict.set()


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
