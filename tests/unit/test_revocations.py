"""Who is out is refused and their streams are cut, until nothing that was issued before could still be good."""

from __future__ import annotations

import asyncio

import pytest
from llmchat.access.v1.access_service_pb2 import Revocation

from libs.common.clock import timestamp
from libs.common.context import NOBODY, Caller, Verified
from libs.common.errors import Unauthenticated
from libs.common.rpc.interceptors.revocations import Revocations

ADA = Caller(user_id="ada", session_id="phone")
NOW = 1_000_000


def revocation(subject: str, revoked_at: int = NOW, kept: int = 1000) -> Revocation:
    return Revocation(subject=subject, revoked_at=timestamp(revoked_at), expires_at=timestamp(revoked_at + kept))


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revocations(clock: Clock) -> Revocations:
    return Revocations(clock)


def stands(revocations: Revocations, caller: Caller, issued_at: int = NOW, *, allow_deleted: bool = False) -> bool:
    try:
        revocations.require_standing(Verified(caller, issued_at, NOW + 1000), allow_deleted=allow_deleted)
    except Unauthenticated as error:
        return error.reason != "SIGN_IN_ENDED"
    return True


def test_what_was_issued_to_a_person_until_then_is_refused_and_what_comes_later_is_good(
    revocations: Revocations,
) -> None:
    revocations.apply(revocation("user:ada"))

    assert not stands(revocations, ADA, NOW - 1)
    assert not stands(revocations, ADA, NOW)
    assert stands(revocations, ADA, NOW + 1)


@pytest.mark.parametrize("subject", ["session:phone", "account:ada"])
def test_what_never_begins_again_is_refused_whatever_the_clocks_say(revocations: Revocations, subject: str) -> None:
    revocations.apply(revocation(subject))

    assert not stands(revocations, ADA, NOW - 1)
    assert not stands(revocations, ADA, NOW + 1)


@pytest.mark.parametrize("subject", ["user:bob", "session:laptop", "account:bob", "access_key:ada", "ada", ""])
def test_others_stay(revocations: Revocations, subject: str) -> None:
    revocations.apply(revocation(subject))

    assert stands(revocations, ADA)


def test_a_program_goes_with_its_key_and_with_its_owner(revocations: Revocations) -> None:
    one, another = Caller("ada", access_key_id="one"), Caller("ada", access_key_id="another")
    revocations.apply(revocation("access_key:one"))

    assert not stands(revocations, one)
    assert stands(revocations, another)
    revocations.apply(revocation("user:ada"))
    assert not stands(revocations, another)


def test_a_service_that_acts_for_somebody_who_is_out_ends_what_it_began(revocations: Revocations) -> None:
    revocations.apply(revocation("user:ada"))

    assert stands(revocations, Caller(user_id="ada", service="messages"))
    assert stands(revocations, NOBODY)


def test_whose_account_is_deleted_may_follow_that(revocations: Revocations) -> None:
    revocations.apply(revocation("account:ada"))

    assert stands(revocations, ADA, allow_deleted=True)
    revocations.apply(revocation("user:ada"))
    assert not stands(revocations, ADA, allow_deleted=True)


def test_an_older_revocation_that_comes_late_takes_nothing_back(revocations: Revocations) -> None:
    revocations.apply(revocation("user:ada", NOW + 5))
    revocations.apply(revocation("user:ada", NOW))

    assert not stands(revocations, ADA, NOW + 5)


def test_what_nothing_can_be_refused_by_any_more_is_forgotten(revocations: Revocations, clock: Clock) -> None:
    revocations.apply(revocation("user:ada", kept=10))
    clock.now += 10
    # With the next one.
    revocations.apply(revocation("user:bob", NOW + 10))

    assert stands(revocations, ADA)


async def test_a_stream_is_cut_with_its_caller_and_says_so(revocations: Revocations) -> None:
    cut: list[str] = []

    async def serve(caller: Caller, *, allow_deleted: bool = False) -> None:
        with revocations.watching(caller, allow_deleted=allow_deleted) as stream:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if stream.is_cut:
                    cut.append(caller.session_id)
                raise

    phone, laptop = (asyncio.create_task(serve(Caller("ada", session_id=name))) for name in ("phone", "laptop"))
    follower = asyncio.create_task(serve(Caller("ada", session_id="follower"), allow_deleted=True))
    await asyncio.sleep(0)
    revocations.apply(revocation("session:phone"))
    await asyncio.wait([phone])
    assert cut == ["phone"]

    revocations.apply(revocation("account:ada"))
    await asyncio.wait([laptop])
    assert cut == ["phone", "laptop"]
    assert not follower.done()

    follower.cancel()
    await asyncio.wait([follower])
    assert cut == ["phone", "laptop"]


async def test_what_a_stream_does_at_its_end_is_not_cut_too(revocations: Revocations) -> None:
    ending, go_on = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def serve() -> None:
        with revocations.watching(ADA):
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await go_on.wait()
                done.append("all of it")

    stream = asyncio.create_task(serve())
    await asyncio.sleep(0)
    revocations.apply(revocation("user:ada"))
    await ending.wait()
    revocations.apply(revocation("session:phone"))
    go_on.set()
    await asyncio.wait([stream])

    assert stream.cancelled()
    assert done == ["all of it"]


def test_what_is_revoked_again_is_remembered_for_as_long_as_that_takes(revocations: Revocations, clock: Clock) -> None:
    revocations.apply(revocation("user:ada", kept=10))
    revocations.apply(revocation("user:bob", kept=20))
    revocations.apply(revocation("user:ada", NOW + 1, kept=100))
    clock.now += 50
    revocations.apply(revocation("user:eve", NOW + 50))

    assert not stands(revocations, ADA, NOW + 1)
    assert stands(revocations, Caller(user_id="bob"))
