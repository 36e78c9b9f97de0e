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
        """Whether `hashed` was made of `password`."""
        return await self._run(bcrypt.checkpw, _digest(password), hashed.encode("ascii"))

    async def verify_nobody(self, password: str) -> None:
        """Takes the time of `verify`: what an unknown user's login costs must not tell that the user is unknown."""
        impossible = bcrypt.gensalt(self._cost) + b"." * _HASH_LENGTH
        await self._run(bcrypt.checkpw, _digest(password), impossible)

    def close(self) -> None:
        """Drops what waits; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[bytes, bytes], R], password: bytes, other: bytes) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, password, other)


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode()).digest())
