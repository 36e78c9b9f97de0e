"""What a process remembers of access keys: for half a minute, and not a moment longer than they are good."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from llmchat.access.v1.access_service_pb2 import ResolveAccessKeyRequest, ResolveAccessKeyResponse, Revocation

from libs.common.access.access_keys import AccessKeys, id_within, invalid_access_key, new_secret
from libs.common.access.permissions import beyond
from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.errors import Unauthenticated, Unavailable
from libs.common.rpc.interceptors.revocations import Revocations

if TYPE_CHECKING:
    from llmchat.access.v1.access_service_pb2_grpc import AccessServiceAsyncStub

KEY_ID = "key_01k0000000000000000000000a"
SECRET = new_secret(KEY_ID)
START = 1_000_000


class StandInAccess:
    """A stand-in for the users service, which knows every key until it is told otherwise, and counts."""

    def __init__(self) -> None:
        self.now = START
        self.asked = 0
        self.answer = ResolveAccessKeyResponse(access_key_id=KEY_ID, user_id="ada", permissions=["thread.read"])
        self.error: Exception | None = None
        self.revocations = Revocations(lambda: self.now)
        stub = cast("AccessServiceAsyncStub", self)
        self.keys = AccessKeys(stub, self.revocations, lambda: self.now, capacity=2)

    async def ResolveAccessKey(self, request: ResolveAccessKeyRequest) -> ResolveAccessKeyResponse:  # noqa: N802
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.answer

    def revoke(self, subject: str) -> None:
        ended = Revocation(subject=subject, revoked_at=timestamp(self.now), expires_at=timestamp(self.now + 10_000))
        self.revocations.apply(ended)


@pytest.fixture
def access() -> StandInAccess:
    return StandInAccess()


async def test_a_key_stands_for_its_owner_within_what_it_is_permitted(access: StandInAccess) -> None:
    verified = await access.keys.resolve(SECRET)

    permitted = frozenset(("thread.read",))
    assert verified.caller == Caller(user_id="ada", access_key_id=KEY_ID, permissions=permitted)


async def test_it_is_asked_about_once_in_half_a_minute(access: StandInAccess) -> None:
    for later in (0, 1, 29_999):
        access.now = START + later
        await access.keys.resolve(SECRET)
    assert access.asked == 1

    access.now = START + 30_000
    await access.keys.resolve(SECRET)
    assert access.asked == 2


async def test_a_key_that_expires_earlier_is_asked_about_then(access: StandInAccess) -> None:
    access.answer.expires_at.CopyFrom(timestamp(START + 5))
    await access.keys.resolve(SECRET)
    access.now = START + 5
    await access.keys.resolve(SECRET)
    assert access.asked == 2


@pytest.mark.parametrize("subject", [f"access_key:{KEY_ID}", "user:ada", "account:ada"])
async def test_what_is_remembered_ends_with_a_revocation(access: StandInAccess, subject: str) -> None:
    await access.keys.resolve(SECRET)
    access.now += 1
    access.revoke(subject)
    access.error = invalid_access_key()

    with pytest.raises(Unauthenticated) as caught:
        await access.keys.resolve(SECRET)
    assert caught.value.reason == "INVALID_ACCESS_KEY"


async def test_a_key_of_somebody_who_is_back_is_good_again(access: StandInAccess) -> None:
    await access.keys.resolve(SECRET)
    access.revoke("user:ada")
    access.now += 1

    verified = await access.keys.resolve(SECRET)
    access.revocations.require_standing(verified)
    assert access.asked == 2


async def test_a_refusal_is_not_remembered(access: StandInAccess) -> None:
    for error in (invalid_access_key(), Unavailable("away")):
        access.error = error
        with pytest.raises(type(error)):
            await access.keys.resolve(SECRET)
    access.error = None
    assert await access.keys.resolve(SECRET)


@pytest.mark.parametrize(
    "secret",
    ["llmchat_", "llmchat_x", SECRET[:-1], f"{SECRET}x", SECRET.upper(), "x" * 10_000],
    ids=["its beginning", "too short", "without the last", "one more", "in capitals", "far too long"],
)
async def test_what_has_not_the_form_of_a_key_is_not_asked_about(access: StandInAccess, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await access.keys.resolve(secret)
    assert access.asked == 0


async def test_what_is_remembered_is_bounded(access: StandInAccess) -> None:
    for number in (1, 2, 3, 3, 1):
        await access.keys.resolve(f"{SECRET[:-1]}{number}")
    assert access.asked == 4


def test_a_secret_says_which_key_it_is_of_and_no_two_are_the_same() -> None:
    assert id_within(SECRET) == KEY_ID
    assert new_secret(KEY_ID) != SECRET


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (["thread.read"], ["thread.read"]),
        (["thread.read", "message.create"], ["thread.*", "message.create"]),
        (["thread.*"], ["thread.*"]),
        (["*", "thread.read"], ["*"]),
    ],
)
def test_permissions_within_others(wanted: list[str], held: list[str]) -> None:
    assert beyond(wanted, frozenset(held)) == []
    assert beyond(wanted, None) == []


@pytest.mark.parametrize(
    ("wanted", "held"),
    [("thread.read", "thread.list"), ("thread.*", "thread.read"), ("*", "thread.*"), ("threads.read", "thread.*")],
)
def test_permissions_beyond_others(wanted: str, held: str) -> None:
    assert beyond([wanted], frozenset((held,))) == [wanted]
