"""How often a login may be tried: whoever guesses has to wait, for whichever name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest
from grpc import StatusCode, aio
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.v1.users_service_pb2 import LoginRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.errors import DomainError, Exhausted
from libs.common.rpc.status import from_rpc_error
from tests.integration.accounts import administrator, plant_account
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, open_house
from tests.standins.accounts import ADA, PASSWORD, registration
from tests.unit.replicas import HeldClock

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

NOBODYS = "nobody@example.org"
WRONG = LoginRequest(username=ADA, password="a guess")


@pytest.fixture(autouse=True)
def two_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two failures are free, so the third makes the next login wait, for an address twenty."""
    monkeypatch.setenv("LLMCHAT_LOGIN_FAILURES", "2")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def house(tmp_path: Path, clock: HeldClock) -> AsyncIterator[House]:
    """A house whose time stands still: nobody has waited long enough because the machine is busy."""
    async with open_house(tmp_path, clock=clock) as house:
        yield house


@pytest.fixture
async def users(house: House) -> AsyncIterator[UsersServiceAsyncStub]:
    """Calls that carry no identity."""
    async with aio.insecure_channel(house.address) as channel:
        yield UsersServiceStub(channel)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """A stand-in for bcrypt that finds no password right, at once; the hashes that it was asked about."""
    asked: list[bytes] = []

    def check(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", check)
    return asked


async def reason(users: UsersServiceAsyncStub, request: LoginRequest) -> str:
    """Why the login is refused."""
    return (await refusal(users, request)).reason


async def refusal(users: UsersServiceAsyncStub, request: LoginRequest) -> DomainError:
    with pytest.raises(aio.AioRpcError) as caught:
        await users.Login(request)
    return from_rpc_error(caught.value)


@pytest.mark.parametrize("username", [ADA, NOBODYS])
async def test_after_some_failures_the_next_login_waits_whether_anybody_has_the_name_or_not_with_standin_bcrypt(
    users: UsersServiceAsyncStub, house: House, checks: list[bytes], username: str
) -> None:
    await plant_account(house)
    request = LoginRequest(username=username, password="a guess")

    reasons = [await reason(users, request) for _ in range(3)]
    early = await refusal(users, request)

    assert reasons == ["WRONG_CREDENTIALS"] * 3
    assert isinstance(early, Exhausted)
    assert (early.reason, early.retry_after) == ("LOGIN_THROTTLED", 1)
    assert len(checks) == 3, "no password is looked at"


async def test_of_many_guesses_at_the_same_moment_three_are_looked_at_with_standin_bcrypt(
    users: UsersServiceAsyncStub, house: House, checks: list[bytes]
) -> None:
    await plant_account(house)

    reasons = await asyncio.gather(*(reason(users, WRONG) for _ in range(30)))

    assert sorted(reasons) == ["LOGIN_THROTTLED"] * 27 + ["WRONG_CREDENTIALS"] * 3
    assert len(checks) == 3


async def test_an_address_that_guesses_at_many_names_waits_too_with_standin_bcrypt(
    users: UsersServiceAsyncStub, checks: list[bytes]
) -> None:
    names = [LoginRequest(username=f"person{number}@example.org", password="a guess") for number in range(25)]

    reasons = await asyncio.gather(*(reason(users, request) for request in names))

    assert sorted(reasons) == ["LOGIN_THROTTLED"] * 4 + ["WRONG_CREDENTIALS"] * 21


async def test_whoever_is_signed_in_guesses_no_more_freely_than_others_with_standin_bcrypt(
    house: House, checks: list[bytes]
) -> None:
    mallory = await house.person()
    names = [LoginRequest(username=f"person{number}@example.org", password="a guess") for number in range(25)]

    reasons = await asyncio.gather(*(reason(mallory.users, request) for request in names))

    assert sorted(reasons) == ["LOGIN_THROTTLED"] * 4 + ["WRONG_CREDENTIALS"] * 21


async def test_the_count_outlives_the_process_with_standin_bcrypt(
    tmp_path: Path, clock: HeldClock, checks: list[bytes]
) -> None:
    for waited in (0, 1):
        clock.now += waited * 1000
        folder = tmp_path / "restarted"
        async with open_house(folder, clock=clock) as house, aio.insecure_channel(house.address) as channel:
            users = UsersServiceStub(channel)
            for _ in range(1 if waited else 3):
                assert await reason(users, WRONG) == "WRONG_CREDENTIALS"
            early = await refusal(users, WRONG)

        assert isinstance(early, Exhausted)
        assert early.retry_after == 1 + waited


async def test_the_right_password_ends_the_count_of_the_account(users: UsersServiceAsyncStub) -> None:
    await users.CreateUser(registration())
    right = LoginRequest(username=ADA, password=PASSWORD)

    for _ in range(2):
        for _ in range(2):
            assert await reason(users, WRONG) == "WRONG_CREDENTIALS"
        assert (await users.Login(right)).access_token


async def test_failed_logins_are_audited_without_the_name_that_was_tried_with_standin_bcrypt(
    users: UsersServiceAsyncStub, house: House, checks: list[bytes]
) -> None:
    ada = await plant_account(house)

    for username in (ADA, NOBODYS):
        with refused(StatusCode.UNAUTHENTICATED):
            await users.Login(LoginRequest(username=username, password="a guess"))

    async with administrator(house) as root:

        async def logins() -> list[AuditEvent]:
            answer = await root.operations.ListAuditEvents(ListAuditEventsRequest(action="user.login"))
            return list(answer.audit_events)

        events = await eventually(logins, lambda found: len(found) == 2)
    assert sorted((event.user_id, event.entity_id) for event in events) == [("", ""), (ada, ada)]
    assert {(event.actor, event.failure) for event in events} == {("", "WRONG_CREDENTIALS")}
