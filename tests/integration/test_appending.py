"""Answers of a model that are written outside: claimed, appended, ended, by whoever has a generator's token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    MESSAGE_STATUS_GENERATING,
    MESSAGE_STATUS_PENDING,
    ROLE_ASSISTANT,
    ROLE_USER,
)
from llmchat.messages.v1.messages_service_pb2 import (
    BUSY_POLICY_ENQUEUE,
    BUSY_POLICY_INTERRUPT,
    AppendTokensRequest,
    CancelGenerationRequest,
    ClaimAnswerResponse,
    GetMessageRequest,
    OpenAnswer,
)
from llmchat.threads.v1.threads_service_pb2 import DeleteThreadRequest
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.client.generator import Generator
from libs.common.documents.system import LEASES
from libs.common.errors import DomainError
from libs.common.settings import SERVICES
from libs.common.store.port import Query
from services.messages.collections import CHUNKS, EXTERNAL_ANSWERS, MESSAGES
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.outside import Outsider, ask, end, of_house, plant_model, tokens
from tests.integration.planting import documents_of
from tests.integration.watching import Seen, watch
from tests.standins.accounts import registration
from tests.standins.certificates import StandInAuthority

LEASE_SECONDS = 1.0


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """With a model whose answers are written outside."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    # Nothing is found because somebody looked.
    monkeypatch.setenv("LLMCHAT_WATCHDOG", "600")
    async with open_house(tmp_path / "data") as house:
        await plant_model(house)
        yield house


@pytest.fixture
async def hasty_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Where leases and patience are short."""
    monkeypatch.setenv("LLMCHAT_LEASE_SECONDS", str(LEASE_SECONDS))
    monkeypatch.setenv("LLMCHAT_EXTERNAL_PATIENCE", "3")
    async with open_house(tmp_path / "data") as house:
        await plant_model(house)
        yield house


@pytest.fixture
async def generator(house: House) -> AsyncIterator[Outsider]:
    async with of_house(house) as generator:
        yield generator


async def status_of(person: Person, message_id: str) -> tuple[int, str]:
    message = await person.messages.GetMessage(GetMessageRequest(id=message_id))
    return message.status, message.error.code


async def begun(stream: object) -> Seen:
    """What a viewer has seen as soon as the answer has an id."""
    return await watch(stream, until=0)  # type: ignore[arg-type]


async def test_an_answer_is_claimed_written_and_seen_as_it_is_written(
    anna: Person, generator: Outsider, house: House
) -> None:
    stream = await ask(anna, "Tell me", system_prompt="Be brief.")
    seen = await begun(stream)
    assert seen.started is not None
    assert seen.started.status == MESSAGE_STATUS_PENDING

    claim = await generator.claim()
    assert (claim.message.id, claim.message.status) == (seen.message_id, MESSAGE_STATUS_GENERATING)
    assert (claim.seq, claim.system_prompt) == (0, "Be brief.")
    assert [(turn.role, turn.text) for turn in claim.context] == [(ROLE_USER, "Tell me")]

    call = await generator.open(claim)
    await call.write(tokens("One"))
    await watch(stream, seen, until=1)
    await call.write(tokens(" two", " three"))
    await watch(stream, seen, until=3)
    await call.write(end(input_tokens=7, output_tokens=5))
    await watch(stream, seen)
    answered = await call

    assert seen.ended is not None
    assert seen.text == "One two three"
    assert (answered.seq, answered.message.status) == (3, MESSAGE_STATUS_COMPLETE)
    assert seen.ended.status == MESSAGE_STATUS_COMPLETE
    assert seen.ended.total_tokens == 5


async def test_the_next_question_is_asked_with_what_was_said(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna, "First")
    claim = await generator.claim()
    call = await generator.open(claim)
    await call.write(tokens("Yes"))
    await call.write(end())
    await watch(stream)

    await begun(await ask(anna, "Second", thread_id=claim.message.thread_id))
    claim = await generator.claim()

    said = [(ROLE_USER, "First"), (ROLE_ASSISTANT, "Yes"), (ROLE_USER, "Second")]
    assert [(turn.role, turn.text) for turn in claim.context] == said


async def test_it_fails_as_its_generator_says(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    call = await generator.open(await generator.claim())
    await call.write(tokens("So"))
    await call.write(end(error_code="REFUSED", error_message="not that"))

    seen = await watch(stream)

    assert (await call).seq == 1
    assert seen.ended is not None
    assert (seen.ended.status, seen.text) == (MESSAGE_STATUS_FAILED, "So")
    assert (seen.ended.error.code, seen.ended.error.message) == ("REFUSED", "not that")


async def test_a_viewer_who_cancels_it_stops_its_generator(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    call = await generator.open(await generator.claim())
    await call.write(tokens("One", " two"))
    seen = await watch(stream, until=2)

    await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))

    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await call
    assert refusal.error.reason == "ANSWER_ENDED"
    assert refusal.error.metadata == {"status": "MESSAGE_STATUS_CANCELLED", "code": "", "seq": "2"}
    assert (await watch(stream, seen)).text == "One two"


async def test_one_that_nobody_has_claimed_can_be_cancelled(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    seen = await begun(stream)

    await anna.messages.CancelGeneration(CancelGenerationRequest(message_id=seen.message_id))

    assert (await watch(stream, seen)).ended is not None
    assert await status_of(anna, seen.message_id) == (MESSAGE_STATUS_CANCELLED, "")
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await generator.claim(seen.message_id)
    assert refusal.error.reason == "ANSWER_ENDED"


async def test_a_viewer_goes_on_after_any_token(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    call = await generator.open(await generator.claim())
    said = [f"token {number}" for number in range(20)]
    await call.write(tokens(*said[:10]))
    seen = await watch(stream, until=4)
    stream.cancel()

    await call.write(tokens(*said[10:]))
    await call.write(end())
    await watch(anna.messages.StreamTokens(seen.rest()), seen)

    assert seen.tokens == said


async def test_a_claim_waits_for_an_answer(anna: Person, house: House) -> None:
    async with of_house(house, "one") as one, of_house(house, "other") as other:
        claiming = [asyncio.create_task(generator.claim()) for generator in (one, other)]
        asked = [await begun(await ask(anna)) for _ in range(2)]

        claims = await asyncio.gather(*claiming)

        assert {claim.message.id for claim in claims} == {seen.message_id for seen in asked}


async def test_what_waits_longest_is_claimed_first(anna: Person, generator: Outsider) -> None:
    asked = [(await begun(await ask(anna))).message_id for _ in range(3)]

    assert [(await generator.claim()).message.id for _ in range(3)] == asked


async def test_a_claim_for_which_there_is_nothing_ends_with_its_deadline(generator: Outsider) -> None:
    with refused(StatusCode.DEADLINE_EXCEEDED):
        await generator.claim(seconds=0.3)


async def test_what_is_claimed_is_nobody_elses(anna: Person, generator: Outsider, house: House) -> None:
    await begun(await ask(anna))
    claim = await generator.claim()

    async with of_house(house, "another") as another:
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await another.claim(claim.message.id)
    assert refusal.error.reason == "CLAIMED"

    again = await generator.claim(claim.message.id)
    assert (again.generation, again.seq) == (claim.generation, 0)
    assert again.lease_expires_at.ToNanoseconds() >= claim.lease_expires_at.ToNanoseconds()


async def test_claims_of_what_there_is_not_are_refused(anna: Person, generator: Outsider) -> None:
    with refused(StatusCode.NOT_FOUND):
        await generator.claim("msg_gone")
    with refused(StatusCode.NOT_FOUND):
        await generator.claim(model_id="no such model")
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await generator.claim(model_id="echo")
    assert refusal.error.reason == "MODEL_NOT_EXTERNAL"


async def test_a_stream_that_broke_is_followed_by_another(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    claim = await generator.claim()
    call = await generator.open(claim)
    await call.write(tokens("One", " two"))
    seen = await watch(stream, until=2)
    call.cancel()

    claim = await generator.claim(claim.message.id)
    assert claim.seq == 2
    call = await generator.open(claim)
    await call.write(tokens(" three"))
    await call.write(end())
    await watch(stream, seen)

    assert (await call).seq == 3
    assert seen.tokens == ["One", " two", " three"]


async def test_a_stream_that_ends_without_a_word_tells_what_is_stored_and_keeps_the_claim(
    anna: Person, generator: Outsider
) -> None:
    await begun(await ask(anna))
    claim = await generator.claim()
    call = await generator.open(claim)
    await call.write(tokens("One", " two"))
    await call.done_writing()

    answered = await call

    assert (answered.seq, answered.message.status) == (2, MESSAGE_STATUS_GENERATING)
    assert (await generator.claim(claim.message.id)).seq == 2


async def test_a_stream_must_begin_behind_the_last_stored_token(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    claim = await generator.claim()
    call = await generator.open(claim)
    await call.write(tokens("One", " two"))
    await watch(stream, until=2)
    call.cancel()

    for after_seq in (1, 3):
        with refused(StatusCode.OUT_OF_RANGE) as refusal:
            await (await generator.open(claim, after_seq))
        assert refusal.error.metadata == {"seq": "2"}


async def test_of_two_streams_the_later_one_writes(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    claim = await generator.claim()
    earlier = await generator.open(claim)
    await earlier.write(tokens("One"))
    seen = await watch(stream, until=1)

    later = await generator.open(claim, 1)
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await earlier
    assert refusal.error.reason == "NOT_CLAIMED"

    await later.write(tokens(" two"))
    await later.write(end())
    assert (await watch(stream, seen)).tokens == ["One", " two"]


async def test_only_the_generation_of_the_claim_is_taken(anna: Person, generator: Outsider) -> None:
    seen = await begun(await ask(anna))
    assert seen.started is not None
    unclaimed = ClaimAnswerResponse(message=seen.started, generation=seen.started.generation)
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await (await generator.open(unclaimed))
    assert refusal.error.reason == "NOT_CLAIMED"

    claim = await generator.claim()
    claim.generation = "another"
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await (await generator.open(claim))
    assert refusal.error.reason == "NOT_CLAIMED"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(tokens("a bell \a"), id="a control character"),
        pytest.param(tokens("fine", ""), id="an empty token"),
        pytest.param(AppendTokensRequest(), id="no step"),
        pytest.param(AppendTokensRequest(open=OpenAnswer(message_id="x", generation="x")), id="a second beginning"),
        pytest.param(end(input_tokens=-1), id="a negative count"),
    ],
)
async def test_what_is_wrong_ends_the_stream_and_not_the_answer(
    anna: Person, generator: Outsider, wrong: AppendTokensRequest
) -> None:
    stream = await ask(anna)
    claim = await generator.claim()
    call = await generator.open(claim)
    await call.write(tokens("One"))
    await call.write(wrong)
    with refused(StatusCode.INVALID_ARGUMENT):
        await call

    claim = await generator.claim(claim.message.id)
    call = await generator.open(claim)
    await call.write(end())
    assert (await watch(stream)).tokens == ["One", "fine"][: claim.seq]


async def test_a_stream_begins_with_its_answer(generator: Outsider) -> None:
    for steps in ((), (tokens("One"),)):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await generator.steps(*steps)
        assert refusal.fields == {"open"}


async def test_an_answer_that_is_too_long_fails_with_what_may_be_stored(anna: Person, generator: Outsider) -> None:
    stream = await ask(anna)
    call = await generator.open(await generator.claim())
    for _ in range(11):
        with suppress(asyncio.InvalidStateError):
            await call.write(tokens(*["word "] * 1000))

    seen = await watch(stream)

    assert seen.ended is not None
    assert (seen.seq, seen.ended.error.code) == (10_000, "TOO_MANY_TOKENS")
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await call
    assert refusal.error.metadata == {"status": "MESSAGE_STATUS_FAILED", "code": "TOO_MANY_TOKENS", "seq": "10000"}


async def test_one_answer_of_a_thread_is_written_at_a_time(anna: Person, generator: Outsider) -> None:
    first = await begun(stream := await ask(anna))
    assert first.started is not None
    thread_id = first.started.thread_id
    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await begun(await ask(anna, thread_id=thread_id))
    assert refusal.error.reason == "THREAD_BUSY"
    second = await begun(queued := await ask(anna, thread_id=thread_id, busy_policy=BUSY_POLICY_ENQUEUE))

    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await generator.claim(second.message_id)
    assert refusal.error.reason == "NOT_WAITING"
    for waiting in (stream, queued):
        call = await generator.open(await generator.claim())
        await call.write(end())
        assert (await watch(waiting)).ended is not None


async def test_one_that_interrupts_takes_the_turn_of_what_waits_or_is_written(
    anna: Person, generator: Outsider
) -> None:
    first = await begun(await ask(anna))
    assert first.started is not None
    asking: dict[str, Any] = {"thread_id": first.started.thread_id, "busy_policy": BUSY_POLICY_INTERRUPT}
    second = await begun(await ask(anna, **asking))
    claim = await generator.claim()
    assert claim.message.id == second.message_id
    assert await status_of(anna, first.message_id) == (MESSAGE_STATUS_CANCELLED, "")
    call = await generator.open(claim)

    third = await begun(await ask(anna, **asking))
    with refused(StatusCode.FAILED_PRECONDITION):
        await call
    assert (await generator.claim()).message.id == third.message_id


@pytest.mark.parametrize("claimed", [False, True])
async def test_it_goes_with_its_thread(anna: Person, generator: Outsider, house: House, claimed: bool) -> None:
    seen = await begun(await ask(anna))
    assert seen.started is not None
    call = await generator.open(await generator.claim()) if claimed else None
    if call is not None:
        await call.write(tokens("One"))

    await anna.threads.DeleteThread(DeleteThreadRequest(id=seen.started.thread_id))

    if call is not None:
        with pytest.raises(aio.AioRpcError) as ended:
            await call
        assert ended.value.code() in (StatusCode.FAILED_PRECONDITION, StatusCode.NOT_FOUND)
    assert not await eventually(lambda: left(house), lambda documents: not documents)


async def test_it_goes_with_its_person(anna: Person, generator: Outsider, house: House) -> None:
    person = await house.person((await anna.users.CreateUser(registration("bob@example.org"))).id)
    await begun(await ask(person))
    await begun(await ask(person))
    call = await generator.open(await generator.claim())
    await call.write(tokens("One"))

    await person.users.DeleteUser(DeleteUserRequest(id="me"))

    with pytest.raises(aio.AioRpcError) as ended:
        await call
    assert ended.value.code() in (StatusCode.FAILED_PRECONDITION, StatusCode.NOT_FOUND)
    assert not await eventually(lambda: left(house), lambda documents: not documents)


async def left(house: House) -> list[object]:
    """What there is of answers."""
    documents = await documents_of(house, "messages")
    found: list[object] = []
    for spec in (MESSAGES, EXTERNAL_ANSWERS, CHUNKS, LEASES):
        found += await documents.query(Query.by_id(spec))
    return found


async def test_one_that_nobody_claims_fails(hasty_house: House) -> None:
    anna = await hasty_house.person()

    seen = await watch(await ask(anna))

    assert seen.ended is not None
    assert (seen.ended.status, seen.ended.error.code) == (MESSAGE_STATUS_FAILED, "TIMEOUT")
    async with of_house(hasty_house) as generator:
        with refused(StatusCode.DEADLINE_EXCEEDED):
            await generator.claim(seconds=0.3)


async def test_one_whose_claimant_says_nothing_is_free_again_and_no_longer_theirs(hasty_house: House) -> None:
    anna = await hasty_house.person()
    await begun(stream := await ask(anna))
    async with of_house(hasty_house, "silent") as silent, of_house(hasty_house, "other") as other:
        lost = await silent.claim()
        claim = await other.claim()

        assert claim.message.id == lost.message.id
        assert claim.generation != lost.generation
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await (await silent.open(lost))
        assert refusal.error.reason == "NOT_CLAIMED"
        call = await other.open(claim)
        await call.write(tokens("Mine"))
        await call.write(end())
        assert (await watch(stream)).text == "Mine"


async def test_what_a_generator_leaves_half_written_is_sealed(hasty_house: House) -> None:
    anna = await hasty_house.person()
    stream = await ask(anna)
    async with of_house(hasty_house) as generator:
        call = await generator.open(await generator.claim())
        await call.write(tokens("One", " two"))
        seen = await watch(stream, until=2)

    await watch(stream, seen)

    assert seen.ended is not None
    assert (seen.ended.error.code, seen.text) == ("INTERRUPTED", "One two")


async def test_a_stream_keeps_its_claim_while_its_generator_thinks_but_not_for_ever(hasty_house: House) -> None:
    anna = await hasty_house.person()
    stream = await ask(anna)
    async with of_house(hasty_house) as generator:
        call = await generator.open(await generator.claim())
        await asyncio.sleep(2 * LEASE_SECONDS)
        await call.write(tokens("One"))
        seen = await watch(stream, until=1)

        await watch(stream, seen)

        assert seen.ended is not None
        assert (seen.ended.error.code, seen.text) == ("TIMEOUT", "One")
        with refused(StatusCode.FAILED_PRECONDITION):
            await call


async def test_a_server_that_stops_sends_the_generator_elsewhere_and_the_answer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path / "data") as house:
        await plant_model(house)
        anna = await house.person()
        stream = await ask(anna)
        async with of_house(house) as generator:
            claim = await generator.claim()
            call = await generator.open(claim)
            await call.write(tokens("One"))
            seen = await watch(stream, until=1)
            stopping = asyncio.create_task(house.process.server.stop(5))
            with refused(StatusCode.UNAVAILABLE) as refusal:
                await call
            assert refusal.error.reason == "STOPPING"
            await stopping

    async with open_house(tmp_path / "data") as house, of_house(house) as generator:
        anna = await house.person(anna.user_id)
        claim = await generator.claim(claim.message.id)
        call = await generator.open(claim)
        await call.write(tokens(" two"))
        await call.write(end())
        await watch(anna.messages.StreamTokens(seen.rest()), seen)
    assert seen.text == "One two"


async def test_over_mutual_tls_a_generator_shows_a_certificate_of_its_own(tmp_path: Path) -> None:
    authority = StandInAuthority(tmp_path)
    async with open_house(tmp_path / "data", **authority.issue(*SERVICES).settings) as house:
        token, _ = house.process.tokens.issue_service("generator", "", False)
        for name, reason in (("threads", "WRONG_CERTIFICATE"), ("generator", "MODEL_NOT_EXTERNAL")):
            tls = authority.issue(name).tls
            async with Generator(house.address, token=token, tls=tls) as generator:
                with pytest.raises(DomainError) as refusal:
                    await anext(generator.claim("echo"))
            assert refusal.value.reason == reason
