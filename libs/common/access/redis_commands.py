"""Commands to Redis whose answers are worth waiting a moment for, and no longer."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.asyncio import Connection, RedisError

from libs.common.events.redis_address import RedisAddress

_log = logging.getLogger(__name__)

# Seconds: for a connection to stand; after which one that answers nothing is replaced; between attempts to connect, and
# between looks whether Redis is quick again; for what waits at the end to be sent.
_CONNECT = 2.0
_HOPELESS = 2.0
_PAUSE = 1.0
_FLUSH = 0.5

# What is to be sent, and where its answer goes: nowhere if nobody waits for one.
_Command: TypeAlias = tuple[tuple[Any, ...], "asyncio.Future[Any] | None"]

# Whether scripts run and keys may be written: all that a probe can find out.
_PROBE = "redis.call('SET', KEYS[1], '', 'PX', 1000) return 1"


@dataclass(frozen=True, slots=True)
class Words:
    """What a log says of Redis once it is away, and back; and the key that shows whether it is there."""

    away: str
    back: str
    probe: str


class RedisCommands:
    """Commands over one connection. Those that come while others are under way are sent together.

    Where Redis is away or slow nobody waits: it is asked again once it has answered a probe in time.
    """

    def __init__(self, address: RedisAddress, patience: float, words: Words) -> None:
        """Args:
        address: where Redis is.
        patience: seconds that an answer is waited for.
        words: what it is there for.
        """
        self._address = address
        self._patience = patience
        self._words = words
        self._is_up = False
        # What was said of it last: nothing yet.
        self._told: bool | None = None
        self._verdict = asyncio.Event()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiting: list[_Command] = []

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        return self._address.prefix

    async def ask(self, *command: Any) -> Any:
        """The answer; None where Redis does not give any in time."""
        if not self._is_up:
            return None
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(command, answer)
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError:
            # Whether it is Redis that is slow, and worth a word, the connection's keeper finds out.
            self._is_up = False
            self._filled.set()
            return None

    def tell(self, *command: Any) -> None:
        """Sends a command that may be lost."""
        if self._is_up:
            self._put(command, None)

    async def first_verdict(self, seconds: float) -> None:
        """Returns when it is known whether Redis is there, or after some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._verdict.wait()

    async def flush(self) -> None:
        """Returns when nothing waits to be sent, or after half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH):
                await self._idle.wait()

    async def run(self) -> None:
        """Keeps the connection, until cancelled."""
        while True:
            try:
                async with self._address.connected(_CONNECT) as connection:
                    await self._serve(connection)
            except Exception as error:
                self._went_away(error)
            finally:
                self._is_up = False
                self._drop()
            await asyncio.sleep(random.uniform(_PAUSE / 2, _PAUSE))  # noqa: S311 # not all processes at once

    async def _serve(self, connection: Connection) -> None:
        while True:
            if not self._is_up:
                self._drop()
                await self._until_quick(connection)
            await self._filled.wait()
            batch, self._waiting = self._waiting, []
            self._filled.clear()
            try:
                async with asyncio.timeout(_HOPELESS):
                    await connection.send_packed_command(connection.pack_commands([command for command, _ in batch]))
                    for _, answer in batch:
                        reply = await connection.read_response()
                        if answer is not None and not answer.done():
                            answer.set_result(reply)
            finally:
                _give_up(batch)
            if not self._waiting:
                self._idle.set()

    async def _until_quick(self, connection: Connection) -> None:
        """Returns once a probe is answered in time."""
        while True:
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(_HOPELESS):
                await connection.send_command("EVAL", _PROBE, 1, f"{self.prefix}{self._words.probe}")
                await connection.read_response()
            if asyncio.get_running_loop().time() - began < self._patience:
                self._came_back()
                return
            self._went_away(TimeoutError(f"it takes more than {self._patience * 1000:.0f} ms"))
            await asyncio.sleep(_PAUSE)

    def _put(self, command: tuple[Any, ...], answer: asyncio.Future[Any] | None) -> None:
        self._waiting.append((command, answer))
        self._filled.set()
        self._idle.clear()

    def _drop(self) -> None:
        _give_up(self._waiting)
        self._waiting.clear()
        self._filled.clear()
        self._idle.set()

    def _came_back(self) -> None:
        self._is_up = True
        if self._told is False:
            _log.info("Redis at %s %s", self._address, self._words.back)
        self._told = True
        self._verdict.set()

    def _went_away(self, error: Exception) -> None:
        self._is_up = False
        if not isinstance(error, RedisError | OSError):
            _log.error("the connection to Redis at %s broke", self._address, exc_info=error)
        elif self._told is not False:
            _log.warning(
                "Redis at %s %s: %s",
                self._address,
                self._words.away,
                self._address.without_password(str(error)) or type(error).__name__,
            )
        self._told = False
        self._verdict.set()


def _give_up(commands: list[_Command]) -> None:
    for _, answer in commands:
        if answer is not None and not answer.done():
            answer.set_result(None)
