"""Answers that are written outside, over several replicas: of two who write, one is stored, and never both together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    MESSAGE_STATUS_GENERATING,
    MESSAGE_STATUS_PENDING,
)
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    AppendTokensResponse,
    ClaimAnswerRequest,
    ClaimAnswerResponse,
    EndAnswer,
    OpenAnswer,
    TokenBatch,
)

from libs.common.context import Call, Caller
from libs.common.errors import Invalid, Precondition
from tests.integration.calling import eventually
from tests.unit.replicas import LEASE, OUTSIDE, PATIENCE, Installation, Replica, installed, said

_GENERATOR = Call(method="/ClaimAnswer", caller=Caller(service="generator"))


@pytest.fixture
async def installation() -> AsyncIterator[Installation]:
    async with installed() as installation:
        yield installation


class Written:
    """A stream of tokens to one replica."""

    def __init__(self, replica: Replica, claim: ClaimAnswerResponse, after_seq: int | None = None) -> None:
        self._steps: asyncio.Queue[AppendTokensRequest | None] = asyncio.Queue()
        seq = claim.seq if after_seq is None else after_seq
        opened = OpenAnswer(message_id=claim.message.id, generation=claim.generation, after_seq=seq)
        self._steps.put_nowait(AppendTokensRequest(open=opened))
        self._serving = asyncio.create_task(replica.appending.append(self._received()))

    def says(self, *tokens: str) -> None:
        self._steps.put_nowait(AppendTokensRequest(tokens=TokenBatch(tokens=tokens)))

    def ends(self) -> None:
        self._steps.put_nowait(AppendTokensRequest(end=EndAnswer()))

    async def answered(self) -> AppendTokensResponse:
        return await self._serving

    async def breaks(self) -> None:
        """As a connection does."""
        self._serving.cancel()
        await asyncio.wait([self._serving])

    async def _received(self) -> AsyncIterator[AppendTokensRequest]:
        while step := await self._steps.get():
            yield step


async def claim(replica: Replica, message_id: str, claimant: str = "one") -> ClaimAnswerResponse:
    request = ClaimAnswerRequest(model_id=OUTSIDE, message_id=message_id, claimant=claimant)
    return await replica.appending.claim(_GENERATOR, request)


async def test_it_is_claimed_at_one_replica_and_written_at_another(installation: Installation) -> None:
    here, there = installation.replica("here"), installation.replica("there")
    id = await here.ask(model_id=OUTSIDE)
    viewer = here.follow(id)

    stream = Written(there, await claim(here, id))
    stream.says("One", " two")
    stream.ends()

    assert (await stream.answered()).seq == 2
    assert (await viewer).tokens == ["One", " two"]
    assert await installation.leftovers() == 0


async def test_of_two_streams_at_two_replicas_the_later_one_ends_the_answer(installation: Installation) -> None:
    here, there = installation.replica("here"), installation.replica("there")
    id = await here.ask(model_id=OUTSIDE)
    viewer = here.follow(id)
    granted = await claim(here, id)
    earlier = Written(here, granted)
    earlier.says("One")
    await installation.stored(id, ["One"])

    later = Written(there, granted, after_seq=1)
    later.says(" two")
    await installation.stored(id, ["One", " two"])
    earlier.says(" zwei")
    earlier.ends()
    with pytest.raises(Precondition, match="not claimed"):
        await earlier.answered()
    later.ends()

    assert (await later.answered()).message.status == MESSAGE_STATUS_COMPLETE
    assert (await viewer).tokens == ["One", " two"]


async def test_an_earlier_stream_cannot_end_the_answer_with_what_it_has_not_stored(installation: Installation) -> None:
    here, there = installation.replica("here"), installation.replica("there")
    id = await here.ask(model_id=OUTSIDE)
    granted = await claim(here, id)
    earlier = Written(here, granted)
    await eventually(lambda: _runs(here, id), bool)
    later = Written(there, granted)
    await eventually(lambda: _runs(there, id), bool)
    later.says("Mine")
    await installation.stored(id, ["Mine"])

    # It collects both before it could store the first.
    earlier.ends()
    with pytest.raises(Precondition):
        await earlier.answered()
    later.ends()
    await later.answered()

    assert said(await here.answer(id)) == ["Mine"]


async def test_a_stream_whose_replica_was_frozen_says_nothing_in_an_answer_that_is_anothers(
    installation: Installation,
) -> None:
    frozen, other = installation.replica("frozen"), installation.replica("other")
    id = await other.ask(model_id=OUTSIDE)
    viewer = other.follow(id)
    silent = Written(frozen, await claim(frozen, id, "silent"))
    await eventually(lambda: _runs(frozen, id), bool)
    frozen.freezes()
    installation.clock.now += LEASE + 1
    await eventually(lambda: _status(other, id), MESSAGE_STATUS_PENDING.__eq__)

    stream = Written(other, await claim(other, id, "talkative"))
    silent.says("From", " the", " past")
    silent.ends()
    with pytest.raises(Precondition):
        await silent.answered()
    stream.says("Now")
    stream.ends()
    await stream.answered()

    assert (await viewer).tokens == ["Now"]


async def test_a_claim_that_has_run_out_is_the_first_ones_who_asks(installation: Installation) -> None:
    here = installation.replica("here")
    id = await here.ask(model_id=OUTSIDE)
    lost = await claim(here, id, "silent")
    with pytest.raises(Precondition, match="another claimant"):
        await claim(here, id, "other")
    here.freezes()
    installation.clock.now += LEASE + 1

    granted = await claim(here, id, "other")

    assert granted.generation != lost.generation
    with pytest.raises(Precondition, match="another claimant"):
        await claim(here, id, "silent")


async def test_a_claimant_who_is_late_and_first_goes_on(installation: Installation) -> None:
    here = installation.replica("here")
    id = await here.ask(model_id=OUTSIDE)
    stream = Written(here, await claim(here, id))
    stream.says("One")
    await installation.stored(id, ["One"])
    await stream.breaks()
    here.freezes()
    installation.clock.now += LEASE + 1

    again = await claim(here, id)

    assert again.seq == 1
    stream = Written(here, again)
    stream.says(" two")
    stream.ends()
    assert said((await stream.answered()).message) == []
    assert said(await here.answer(id)) == ["One", " two"]


async def test_what_was_half_written_is_sealed_and_its_claimant_told(installation: Installation) -> None:
    here, there = installation.replica("here"), installation.replica("there")
    id = await here.ask(model_id=OUTSIDE)
    granted = await claim(here, id)
    stream = Written(here, granted)
    stream.says("One", " two")
    await installation.stored(id, ["One", " two"])
    await here.dies()
    installation.clock.now += LEASE + 1

    answer = await installation.ended(id)

    assert (answer.status, answer.error.code, said(answer)) == (MESSAGE_STATUS_FAILED, "INTERRUPTED", ["One", " two"])
    with pytest.raises(Precondition) as refusal:
        await Written(there, granted, after_seq=2).answered()
    assert refusal.value.reason == "ANSWER_ENDED"


async def test_patience_ends_however_often_it_is_claimed_and_left(installation: Installation) -> None:
    here = installation.replica("here")
    id = await here.ask(model_id=OUTSIDE)
    until = installation.clock.now + PATIENCE * 1000
    generations = set()
    while installation.clock.now < until:
        generations.add((await claim(here, id)).generation)
        installation.clock.now += PATIENCE * 400
        await eventually(lambda: _status(here, id), lambda status: status != MESSAGE_STATUS_GENERATING)

    answer = await installation.ended(id)

    assert (answer.status, answer.error.code) == (MESSAGE_STATUS_FAILED, "TIMEOUT")
    assert len(generations) == 3


async def test_a_stop_keeps_the_claim_for_another_replica(installation: Installation) -> None:
    here, there = installation.replica("here"), installation.replica("there")
    id = await here.ask(model_id=OUTSIDE)
    granted = await claim(here, id)
    stream = Written(here, granted)
    stream.says("One")
    await installation.stored(id, ["One"])

    await here.stops()

    again = await claim(there, id)
    assert (again.generation, again.seq) == (granted.generation, 1)


async def test_a_stream_that_begins_elsewhere_is_told_where_to(installation: Installation) -> None:
    here = installation.replica("here")
    id = await here.ask(model_id=OUTSIDE)
    with pytest.raises(Invalid) as refusal:
        await Written(here, await claim(here, id), after_seq=3).answered()
    assert (refusal.value.reason, refusal.value.metadata) == ("OUT_OF_RANGE", {"seq": "0"})


async def _runs(replica: Replica, message_id: str) -> bool:
    return replica.generations.stored_tokens(message_id, 0) is not None


async def _status(replica: Replica, message_id: str) -> int:
    return (await replica.answer(message_id)).status
