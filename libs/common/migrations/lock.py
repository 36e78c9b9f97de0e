"""The right to run the migrations of a service: of all processes one has it at a time."""

from __future__ import annotations

from typing import Final

from ulid import ULID

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.leases import renew_lease, take_lease
from libs.common.documents.system import LOCKS
from libs.common.documents.unit import Unit
from libs.common.errors import Contended

_ID: Final = "migrations"


class LockLost(Contended):
    """Another process runs the migrations now: nothing that this one still had in hand is stored."""

    reason = "MIGRATIONS_UNDER_WAY"


class Lock:
    """One attempt at the lock: a lease, which every commit under it renews.

    So each of them is conditional on the lease's revision, which grows with whoever takes it: a holder that lost it, a
    frozen one among them, cannot store another page.
    """

    def __init__(self, documents: Documents, holder: str, seconds: float, *, exclusive: bool) -> None:
        """Args:
        documents: the service's.
        holder: names this process.
        seconds: after which a silent holder counts as dead.
        exclusive: no other process works on these documents: what another holder left is free.
        """
        self._documents = documents
        self._holder = holder
        self._seconds = seconds
        self._exclusive = exclusive
        self._attempt = str(ULID()).lower()

    async def take(self) -> None:
        """Returns once this attempt holds the lock.

        Raises:
            Contended: another one holds it (reason MIGRATIONS_UNDER_WAY).
        """

        async def take(unit: Unit) -> str:
            lease = await unit.find(LOCKS, _ID)
            if lease is not None and self._exclusive and lease.holder != self._holder:
                lease.ClearField("expires_at")
            if await take_lease(unit, _ID, self._holder, self._attempt, self._seconds, spec=LOCKS):
                return ""
            return (await unit.get(LOCKS, _ID)).holder

        if holder := await self._documents.unit(take):
            raise Contended(f"{holder} runs these migrations", reason=LockLost.reason)

    async def hold(self, unit: Unit) -> None:
        """Has the unit commit only while this attempt holds the lock.

        Raises:
            LockLost: it does not any more.
        """
        if not await renew_lease(unit, _ID, self._attempt, self._seconds, spec=LOCKS):
            raise LockLost("another process runs these migrations now")

    async def release(self) -> None:
        """Lets others have the lock, if this attempt still holds it."""

        async def release(unit: Unit) -> None:
            lease = await unit.find(LOCKS, _ID)
            if lease is not None and lease.attempt == self._attempt:
                lease.expires_at.CopyFrom(timestamp(unit.now))
                unit.put(LOCKS, lease)

        await self._documents.unit(release)
