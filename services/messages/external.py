"""Answers that are written outside: whose turn it is waits to be claimed, and who claims it writes it under a lease.

While it waits, the answer is PENDING, has its turn, and an `ExternalAnswer` without a claimant beside a lease that runs
out with everybody's patience. Claimed, it is GENERATING, with a lease as long as any writer's that is renewed by each
claim of the same claimant and by the replica to which its tokens come. Each stream of tokens takes the lease anew,
under an attempt of its own, so that of two streams one can store the end. Whatever opens a stream or ends the answer
moves the revision of the `ExternalAnswer`, or removes it: one of two meets a Conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from llmchat.messages.stored.v1.stream_pb2 import ExternalAnswer
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_FAILED,
    MESSAGE_STATUS_PENDING,
    Message,
    MessageStatus,
)
from llmchat.messages.v1.messages_service_pb2 import OpenAnswer
from llmchat.store.v1.lease_pb2 import Lease
from ulid import ULID

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, NotFound, Precondition
from libs.common.events.changes import Changes
from libs.common.store.port import Query
from services.messages.chunks import create_first_fence
from services.messages.collections import EXTERNAL_ANSWERS, MESSAGES
from services.messages.endings import mark_begun
from services.messages.generation import Outcome
from services.messages.leases import GENERATOR
from services.messages.rules import has_ended

UNCLAIMED = Outcome(MESSAGE_STATUS_FAILED, "TIMEOUT", "nobody who writes this model's answers came for it in time")
# So many of those that wait are tried in one look, of which other claimants may take the first ones.
_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer of the claimant's; `expires_at` is in milliseconds of the epoch."""

    answer: Message
    expires_at: int


class ExternalAnswers:
    """What is stored of them. `patience` and `lease_seconds` are in seconds."""

    def __init__(self, documents: Documents, changes: Changes, *, patience: float, lease_seconds: float) -> None:
        """`changes` tells those who wait for a model's answers of one that they may claim."""
        self._documents = documents
        self._changes = changes
        self._patience = int(patience * 1000)
        self._lease = int(lease_seconds * 1000)

    async def begin(self, unit: Unit, answer: Message) -> None:
        """Stages that `answer`, whose turn it is, waits to be claimed."""
        external = ExternalAnswer(
            id=answer.id, model_id=answer.model_id, user_id=answer.user_id, created_at=timestamp(unit.now)
        )
        unit.create(EXTERNAL_ANSWERS, external)
        await self._let_wait(unit, external)

    async def claim_next(self, model_id: str, claimant: str) -> Claim | None:
        """Claims the answer of the model that waits longest; None where none does."""
        query = Query.where(EXTERNAL_ANSWERS, model_id=model_id, claimant="", order="created_at", limit=_CANDIDATES)

        async def work(waiting_id: str, unit: Unit) -> Claim | None:
            external = await unit.find(EXTERNAL_ANSWERS, waiting_id)
            answer = await unit.find(MESSAGES, waiting_id)
            if external is None or external.claimant or answer is None or answer.status != MESSAGE_STATUS_PENDING:
                return None
            return await self._grant(unit, external, answer, claimant)

        for waiting in await self._documents.query(query):
            claim = await self._documents.unit(partial(work, waiting.id))
            if claim is not None:
                return claim
        return None

    async def claim_named(self, message_id: str, model_id: str, claimant: str) -> Claim | None:
        """Claims the answer that is named, or renews the claimant's claim on it; None where another one's has run out.

        Raises:
            NotFound: no such answer of the model.
            Precondition: it has ended, its turn has not come, it is being ended, or it is another's (reasons
                ANSWER_ENDED, NOT_WAITING, NOT_CLAIMED, CLAIMED).
        """

        async def work(unit: Unit) -> Claim | None:
            answer = await unit.find(MESSAGES, message_id)
            if answer is None or answer.model_id != model_id:
                raise NotFound(MESSAGES.kind, message_id)
            if has_ended(answer):
                raise ended(answer)
            external = await unit.find(EXTERNAL_ANSWERS, message_id)
            if external is None:
                raise Precondition("the turn of this answer has not come", reason="NOT_WAITING")
            if not external.claimant:
                return await self._grant(unit, external, answer, claimant)
            lease = await unit.get(LEASES, message_id)
            if lease.holder != GENERATOR:
                raise not_claimed()
            if external.claimant == claimant:
                return self._renew(unit, answer, lease)
            if _runs(unit, lease):
                raise Precondition("another claimant writes this answer", reason="CLAIMED")
            return None

        return await self._documents.unit(work)

    async def require_claimed(self, opened: OpenAnswer) -> Message:
        """The answer that a stream is to be opened on; nothing is stored.

        Raises:
            NotFound: no such message.
            Precondition: it has ended, or the claim is not good any more (reasons ANSWER_ENDED, NOT_CLAIMED).
        """

        async def work(unit: Unit) -> Message:
            answer, _ = await _claimed(unit, opened)
            return answer

        return await self._documents.unit(work)

    async def open_stream(self, opened: OpenAnswer, attempt: str) -> None:
        """Gives the lease to a stream, and takes it from the one before.

        Raises:
            As `require_claimed`.
        """

        async def work(unit: Unit) -> None:
            answer, external = await _claimed(unit, opened)
            unit.put(EXTERNAL_ANSWERS, external)
            await self._put_lease(unit, answer.id, attempt, unit.now + self._lease)

        await self._documents.unit(work)

    async def release(self, unit: Unit, external: ExternalAnswer, answer: Message) -> bool:
        """Stages that an answer whose claim has run out may be claimed anew; False where some of it is written.

        Its next attempt has another generation, and a fence keeps the former claimant from writing: never do two
        attempts come together in one answer.
        """
        if not await create_first_fence(unit, answer):
            return False
        answer.status = MESSAGE_STATUS_PENDING
        answer.is_streaming = False
        answer.ClearField("generation_started_at")
        answer.updated_at.CopyFrom(timestamp(unit.now))
        answer.generation = str(ULID()).lower()
        unit.put(MESSAGES, answer)
        external.claimant = ""
        unit.put(EXTERNAL_ANSWERS, external)
        await self._let_wait(unit, external)
        return True

    async def _let_wait(self, unit: Unit, external: ExternalAnswer) -> None:
        await self._put_lease(unit, external.id, "", milliseconds(external.created_at) + self._patience)
        self._changes.tell(unit, external.model_id, external.id)

    async def _grant(self, unit: Unit, external: ExternalAnswer, answer: Message, claimant: str) -> Claim:
        external.claimant = claimant
        unit.put(EXTERNAL_ANSWERS, external)
        mark_begun(unit, answer)
        await self._put_lease(unit, answer.id, answer.generation, unit.now + self._lease)
        return Claim(answer, unit.now + self._lease)

    def _renew(self, unit: Unit, answer: Message, lease: Lease) -> Claim:
        lease.expires_at.CopyFrom(timestamp(unit.now + self._lease))
        unit.put(LEASES, lease)
        return Claim(answer, unit.now + self._lease)

    async def _put_lease(self, unit: Unit, id: str, attempt: str, expires_at: int) -> None:
        await unit.find(LEASES, id)
        unit.put(LEASES, Lease(id=id, attempt=attempt, holder=GENERATOR, expires_at=timestamp(expires_at)))


async def is_written_by(unit: Unit, message_id: str, attempt: str) -> bool:
    """Whether no other stream has taken the lease of an external answer since this attempt did."""
    lease = await unit.find(LEASES, message_id)
    return lease is None or lease.holder != GENERATOR or lease.attempt == attempt


def ended(answer: Message) -> Precondition:
    """What a generator is told of an answer that has ended otherwise than by its own word."""
    metadata = {
        "status": MessageStatus.Name(answer.status),
        "code": answer.error.code,
        "seq": str(len(answer.tokens.lengths)),
    }
    return Precondition("the answer has ended", reason="ANSWER_ENDED", metadata=metadata)


def beyond(seq: int) -> Invalid:
    """What a generator is told that goes on elsewhere than behind the last stored token, which is numbered `seq`."""
    return Invalid.field(
        "open.after_seq",
        f"is not the last stored token, which is {seq}",
        reason="OUT_OF_RANGE",
        metadata={"seq": str(seq)},
    )


def not_claimed() -> Precondition:
    """What a generator is told that has lost its answer, to another stream or to whoever ends it."""
    return Precondition("the answer is not claimed by this generation and stream", reason="NOT_CLAIMED")


async def _claimed(unit: Unit, opened: OpenAnswer) -> tuple[Message, ExternalAnswer]:
    answer = await unit.get(MESSAGES, opened.message_id)
    if has_ended(answer):
        raise ended(answer)
    external = await unit.find(EXTERNAL_ANSWERS, answer.id)
    lease = await unit.find(LEASES, answer.id)
    if external is None or not external.claimant or answer.generation != opened.generation:
        raise not_claimed()
    if lease is None or lease.holder != GENERATOR:
        raise not_claimed()
    return answer, external


def _runs(unit: Unit, lease: Lease) -> bool:
    return milliseconds(lease.expires_at) > unit.now
