"""How often passwords may be guessed: of one account, and from one address."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from llmchat.users.stored.v1.session_pb2 import LoginAttempts

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted
from services.users.collections import LOGIN_ATTEMPTS

# An address may be that of a whole office.
ADDRESS_FACTOR = 10
_KEPT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was let through: under which keys it counts, and what each had to wait for from then on."""

    account_id: str
    address_id: str
    address_next_at: int


class Throttle:
    """Lets attempts through. The counts are documents: they hold for every process, and after a restart.

    After `failures` failures of an account, and ten times as many from an address, each further one has the next
    attempt wait: 1 s, 2 s, 4 s… up to `longest_wait` seconds. A count is forgotten an hour after its last wait.
    """

    def __init__(self, documents: Documents, *, failures: int, longest_wait: float) -> None:
        self._documents = documents
        self._failures = failures
        self._longest_wait = longest_wait
        # Guesses at the same moment would have each other's commits refused.
        self._one_at_a_time = asyncio.Lock()

    async def begin(self, account_id: str, source: str = "") -> Attempt:
        """Counts an attempt as a failure, before it is one: of many guesses at the same moment few are let through.

        Args:
            account_id: the `username_id` of the name that is tried, whether anybody has it or not.
            source: the address that the attempt comes from, or who is signed in there; empty where neither is known.

        Raises:
            Exhausted: it is too early for another (reason LOGIN_THROTTLED); nothing is counted.
        """
        address_id = f"address:{hashlib.sha256(source.encode()).hexdigest()}" if source else ""

        async def count(unit: Unit) -> Attempt:
            account = await self._find(unit, account_id)
            from_address = await self._find(unit, address_id) if address_id else None
            next_at = max(milliseconds(found.next_at) for found in (account, from_address) if found is not None)
            if next_at > unit.now:
                raise _too_early(next_at - unit.now)
            self._count(unit, account, self._failures)
            if from_address is not None:
                self._count(unit, from_address, self._failures * ADDRESS_FACTOR)
            return Attempt(account_id, address_id, milliseconds(from_address.next_at) if from_address else 0)

        async with self._one_at_a_time:
            return await self._documents.unit(count)

    async def succeeded(self, unit: Unit, attempt: Attempt) -> None:
        """Stages that the attempt was no failure: the account's are forgotten, of the address's this one alone."""
        await unit.find(LOGIN_ATTEMPTS, attempt.account_id)
        unit.delete(LOGIN_ATTEMPTS, attempt.account_id)
        if not attempt.address_id:
            return
        from_address = await unit.find(LOGIN_ATTEMPTS, attempt.address_id)
        if from_address is None:
            return
        from_address.failures = max(0, from_address.failures - 1)
        if milliseconds(from_address.next_at) == attempt.address_next_at:
            from_address.ClearField("next_at")
        unit.put(LOGIN_ATTEMPTS, from_address)

    async def _find(self, unit: Unit, id: str) -> LoginAttempts:
        found = await unit.find(LOGIN_ATTEMPTS, id)
        if found is None:
            return LoginAttempts(id=id)
        if milliseconds(found.expires_at) <= unit.now:
            found.failures = 0
        return found

    def _count(self, unit: Unit, attempts: LoginAttempts, free: int) -> None:
        attempts.failures += 1
        wait_ms = 0
        if attempts.failures > free:
            # The exponent has an end, as a float has.
            wait_ms = int(min(self._longest_wait, 2.0 ** min(attempts.failures - free - 1, 60)) * 1000)
        attempts.next_at.CopyFrom(timestamp(unit.now + wait_ms))
        attempts.expires_at.CopyFrom(timestamp(unit.now + wait_ms + _KEPT_MS))
        unit.put(LOGIN_ATTEMPTS, attempts)


def _too_early(wait_ms: int) -> Exhausted:
    seconds = wait_ms / 1000
    text = f"too many logins have failed: try again in {seconds:.1f} s"
    return Exhausted(text, reason="LOGIN_THROTTLED", retry_after=seconds)
