"""The cache that all processes share, in the Redis of their bus."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count, islice

from libs.common.access.redis_commands import RedisCommands, Words
from libs.common.caching.port import NOT_NOW, Look
from libs.common.events.redis_address import RedisAddress

# Seconds: that an opening process waits for Redis; that a scope's version lives; between attempts to forget.
_OPENING = 1.0
_VERSION_SECONDS = 3600
_PAUSE = 0.1
# Scopes that are forgotten with one command, and that wait for a Redis that is away.
_AT_ONCE = 500
_MOST_OWED = 100_000

_WORDS = Words(
    away="remembers nothing; until it does reads go to the store",
    back="remembers again",
    probe="cache.probe",
)


@asynccontextmanager
async def open_redis_cache(url: str, *, patience: float = 0.05) -> AsyncIterator[RedisCache]:
    """The cache in the Redis at `url`, which is read as the bus reads it, until the context is left.

    Args:
        url: of the bus.
        patience: seconds that a look waits for Redis; where it takes longer, reads go to the store meanwhile.

    Raises:
        Invalid: the URL is malformed.
    """
    commands = RedisCommands(RedisAddress(url), patience, _WORDS)
    cache = RedisCache(commands)
    tasks = [asyncio.create_task(work()) for work in (commands.run, cache.run)]
    try:
        await commands.first_verdict(_OPENING)
        yield cache
        await cache.settle()
        await commands.flush()
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


class RedisCache:
    """A `Cache` of all processes together. A look takes one round trip.

    A scope's version is a number of chance, made by who looks at it first; forgetting it removes it. So a Redis that
    loses keys, or all of them, forgets. A value stands with its version and is good while that is the scope's.

    What could not be forgotten, for Redis is away, is forgotten once it is back; this process finds nothing there until
    then, and others, where Redis is there for them, what they have remembered, for its seconds at most. So they do if
    this process dies in between; and if more than 100,000 scopes wait, for those that wait longest.
    """

    found = "shared"

    def __init__(self, commands: RedisCommands) -> None:
        self._commands = commands
        self._prefix = f"{commands.prefix}cache"
        # The scopes that are to be forgotten, each with the number of the last request for that.
        self._owed: dict[str, int] = {}
        self._numbers = count()
        self._owing = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    async def look(self, scope: str, key: bytes) -> Look:
        """See `Cache.look`."""
        if scope in self._owed:
            return NOT_NOW
        version_key = self._version_key(scope)
        self._commands.tell("SET", version_key, secrets.randbits(63), "NX", "EX", _VERSION_SECONDS)
        answer = await self._commands.ask("MGET", version_key, self._value_key(scope, key))
        if answer is None or answer[0] is None or scope in self._owed:
            return NOT_NOW
        version, stored = answer
        under, _, value = (stored or b"").partition(b" ")
        return Look(int(version), value if under == version else None)

    def put(self, scope: str, key: bytes, version: int, value: bytes, seconds: int) -> None:
        """See `Cache.put`."""
        self._commands.tell("SET", self._value_key(scope, key), b"%d %b" % (version, value), "EX", seconds)

    def forget(self, scope: str) -> None:
        """See `Cache.forget`."""
        self._owed.pop(scope, None)
        if len(self._owed) >= _MOST_OWED:
            del self._owed[next(iter(self._owed))]
        self._owed[scope] = next(self._numbers)
        self._owing.set()
        self._settled.clear()

    async def settle(self) -> None:
        """Returns when nothing waits to be forgotten, or after half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._settled.wait()

    async def run(self) -> None:
        """Has forgotten what is owed, until cancelled."""
        while True:
            await self._owing.wait()
            owed = list(islice(self._owed.items(), _AT_ONCE))
            if await self._commands.ask("DEL", *(self._version_key(scope) for scope, _ in owed)) is None:
                await asyncio.sleep(_PAUSE)
                continue
            for scope, number in owed:
                # Unless it is owed once more since.
                if self._owed.get(scope) == number:
                    del self._owed[scope]
            if not self._owed:
                self._owing.clear()
                self._settled.set()

    def _version_key(self, scope: str) -> str:
        return f"{self._prefix}.version.{scope}"

    def _value_key(self, scope: str, key: bytes) -> str:
        digest = hashlib.sha256(scope.encode() + b"\0" + key).hexdigest()
        return f"{self._prefix}.value.{digest}"
