"""Password hashes: bcrypt, off the event loop."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

R = TypeVar("R")

_HASH_LENGTH = 31


class Passwords:
    """Hashes and checks passwords, at most `threads` at a time; bcrypt lets other threads run meanwhile.

    bcrypt reads 72 bytes and stops at a NUL, so it is given base64 of the SHA-256 of the password instead.
    """

    def __init__(self, cost: int = 12, threads: int = 2) -> None:
        """Args:
        cost: the logarithm of bcrypt's rounds; 12 takes about a quarter of a second.
        threads: how many passwords are worked on at once.
        """
        self._cost = cost
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """A salted hash of `password`, in bcrypt's own form."""
        hashed = await self._run(bcrypt.hashpw, _digest(password), bcrypt.gensalt(self._cost))
        return hashed.decode("ascii")

    async def verify(self, password: str, hashed: str) -> bool:
        """Whether `hashed` was made of `password`; an empty one was made of none.

        It takes as long as a hash of the current cost does, whether there is a hash and of whatever lower cost it is:
        the time does not tell of an account that there is none, or that it is old.
        """
        return await self._run(self._verify, _digest(password), hashed.encode("ascii"))

    def is_cheap(self, hashed: str) -> bool:
        """Whether the hash is of a lower cost than new ones are."""
        return _cost(hashed.encode("ascii")) < self._cost

    def close(self) -> None:
        """Drops what waits; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[bytes, bytes], R], password: bytes, other: bytes) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, password, other)

    def _verify(self, digest: bytes, hashed: bytes) -> bool:
        if not hashed:
            return bcrypt.checkpw(digest, _impossible(self._cost))
        matches = bcrypt.checkpw(digest, hashed)
        # A cost more takes twice as long: 2ⁿ + (2ⁿ + 2ⁿ⁺¹ + … + 2ᵐ⁻¹) = 2ᵐ.
        for cost in range(_cost(hashed), self._cost):
            bcrypt.checkpw(digest, _impossible(cost))
        return matches


def _cost(hashed: bytes) -> int:
    return int(hashed.split(b"$")[2])


def _impossible(cost: int) -> bytes:
    """A hash that is no password's."""
    return bcrypt.gensalt(cost) + b"." * _HASH_LENGTH


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode()).digest())
