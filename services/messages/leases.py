"""The right to write an answer: what its writer knows of it, and how another process puts an end to it."""

from __future__ import annotations

import asyncio
import random

from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_GENERATING, Message
from llmchat.store.v1.lease_pb2 import Lease
from ulid import ULID

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.leases import renew_lease
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import Conflict, Contended
from libs.common.failpoints import Failpoints
from services.messages.chunks import create_fence
from services.messages.hints import Hints

# Against a writer that stores a chunk every few milliseconds about every second attempt at a fence succeeds.
_ATTEMPTS = 50
# Seconds, times the attempts so far.
_PAUSE = 0.001
# Holds the leases of answers that are written outside, whichever replica their tokens reach.
GENERATOR = "generator"


class WriterLease:
    """A writer's lease on its generation, by the writer's own clock. Where that is wrong, the fence stops it."""

    def __init__(self, documents: Documents, message_id: str, attempt: str, seconds: float, taken_at: int) -> None:
        """`attempt` is the lease's; `taken_at` is in milliseconds of the epoch."""
        self.attempt = attempt
        self._documents = documents
        self._message_id = message_id
        self._seconds = seconds
        self._ends_at = self._end_from(taken_at)

    async def is_held(self) -> bool:
        """Whether this process may go on writing; a lease that has run out is renewed, unless it was lost."""
        return self._documents.clock() < self._ends_at or await self.renew()

    async def renew(self) -> bool:
        """Prolongs the lease; False where it was lost: the answer was taken over, or has ended."""

        async def work(unit: Unit) -> bool:
            return await renew_lease(unit, self._message_id, self.attempt, self._seconds)

        now = self._documents.clock()
        held = await self._documents.unit(work)
        if held:
            self._ends_at = self._end_from(now)
        return held

    def _end_from(self, now: int) -> int:
        return now + int(self._seconds * 1000)


class Takeover:
    """Keeps other processes from writing an answer that is to be ended here."""

    def __init__(
        self,
        documents: Documents,
        hints: Hints,
        failpoints: Failpoints,
        *,
        replica: str,
        exclusive: bool,
        lease_seconds: float,
    ) -> None:
        """`exclusive`: there is no other process, so that no writer has to be kept from anything."""
        self._documents = documents
        self._hints = hints
        self._failpoints = failpoints
        self._replica = replica
        self._exclusive = exclusive
        self._lease_seconds = lease_seconds

    def is_abandoned(self, lease: Lease) -> bool:
        """Whether the process that holds the lease is dead, or counts as dead."""
        has_run_out = milliseconds(lease.expires_at) <= self._documents.clock()
        return has_run_out or (self._exclusive and lease.holder not in ("", GENERATOR, self._replica))

    async def stop_writer(self, answer: Message, *, only_abandoned: bool) -> bool:
        """Returns once nobody stores tokens of `answer` any more, and so nobody announces any.

        The fence and a lease for this process are one commit: of several that try, one wins, and if this process dies
        before the answer's end is stored, another one finishes when that lease has run out.

        False, and nothing is done, where the answer is about to start in this process, and with `only_abandoned` where
        its lease still runs.

        Raises:
            Contended: the writer was faster at every attempt.
        """
        for attempt in range(_ATTEMPTS):
            unit = Unit(self._documents.store, self._documents.clock())
            lease = await unit.find(LEASES, answer.id)
            if lease is None or answer.status != MESSAGE_STATUS_GENERATING:
                return True
            if not self.is_abandoned(lease) and (only_abandoned or self._starts_here(lease, answer)):
                return False
            if self._exclusive or not await create_fence(unit, answer):
                return True
            writer = lease.holder
            lease.attempt = str(ULID()).lower()
            lease.holder = self._replica
            lease.expires_at.CopyFrom(timestamp(unit.now + int(self._lease_seconds * 1000)))
            unit.put(LEASES, lease)
            try:
                await unit.commit()
            except Conflict:
                await asyncio.sleep(random.uniform(0, _PAUSE * attempt))  # noqa: S311 # jitter
                continue
            self._failpoints.reach("after_fence_before_end")
            if writer == GENERATOR:
                # Its stream may have come to any of the replicas.
                self._hints.tell_all(answer.id)
            else:
                self._hints.tell_writer(writer, answer.id)
            return True
        raise Contended("the answer is written faster than it can be stopped: try again")

    def _starts_here(self, lease: Lease, answer: Message) -> bool:
        return lease.holder == self._replica and lease.attempt == answer.generation
