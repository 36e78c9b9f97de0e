"""Changing one's password, and hashes that follow the current cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode, aio
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.v1.users_service_pb2 import (
    ChangePasswordRequest,
    GetUserRequest,
    LoginRequest,
    LoginResponse,
    RefreshSessionRequest,
)
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.crypto.passwords import Passwords
from services.users.collections import SESSIONS, USERS
from tests.integration.accounts import administrator, plant_account
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, bearing, open_house
from tests.integration.planting import documents_of, plant
from tests.standins.accounts import ADA, PASSWORD
from tests.unit.replicas import HeldClock

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

ME = GetUserRequest(id="me")
NEW = "another horse, another battery"
CHANGE = ChangePasswordRequest(current_password=PASSWORD, new_password=NEW)
LOGIN = LoginRequest(username=ADA, password=PASSWORD)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose time stands still: nobody has waited long enough because the machine is busy."""
    async with open_house(tmp_path, clock=HeldClock()) as house:
        yield house


@pytest.fixture
async def nobody(house: House) -> AsyncIterator[UsersServiceAsyncStub]:
    """Calls that carry no identity."""
    async with aio.insecure_channel(house.address) as channel:
        yield UsersServiceStub(channel)


@pytest.fixture
async def ada(house: House) -> str:
    """The id of an account whose password has a hash of a lower cost than new ones: it was made years ago."""
    id = await plant_account(house)
    record = await (await documents_of(house, "users")).get(USERS, id)
    older = Passwords(cost=4)
    record.password_hash = await older.hash(PASSWORD)
    older.close()
    await plant(house, "users", USERS, record)
    return id


async def hash_of(house: House, id: str) -> str:
    return (await (await documents_of(house, "users")).get(USERS, id)).password_hash


async def audited(house: House, count: int) -> list[AuditEvent]:
    """What the audit log says of changed passwords, oldest first, once it has so many entries."""
    async with administrator(house) as root:

        async def events() -> list[AuditEvent]:
            answer = await root.operations.ListAuditEvents(ListAuditEventsRequest(action="password.update"))
            return sorted(answer.audit_events, key=lambda event: event.at.ToNanoseconds())

        return await eventually(events, lambda found: len(found) == count)


async def is_in(house: House, login: LoginResponse) -> bool:
    """Whether the access token of the session still opens anything."""
    async with bearing(house.address, login.access_token, login.user.id) as person:
        try:
            await person.users.GetUser(ME)
        except aio.AioRpcError as error:
            return error.code() is not StatusCode.UNAUTHENTICATED
        return True


async def test_a_login_has_an_older_hash_replaced_by_one_of_the_current_cost(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    assert (await hash_of(house, ada)).startswith("$2b$04$")

    await nobody.Login(LOGIN)
    replaced = await hash_of(house, ada)
    await nobody.Login(LOGIN)

    assert replaced.startswith("$2b$12$")
    assert await hash_of(house, ada) == replaced


async def test_a_new_password_takes_the_place_of_the_old_one_and_ends_all_other_sessions(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    here, elsewhere = await nobody.Login(LOGIN), await nobody.Login(LOGIN)

    async with bearing(house.address, here.access_token, ada) as person:
        await person.users.ChangePassword(CHANGE)

    assert await is_in(house, here)
    assert not await is_in(house, elsewhere)
    with refused(StatusCode.UNAUTHENTICATED):
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=elsewhere.refresh_token))
    assert await nobody.RefreshSession(RefreshSessionRequest(refresh_token=here.refresh_token))
    with refused(StatusCode.UNAUTHENTICATED):
        await nobody.Login(LOGIN)
    assert await nobody.Login(LoginRequest(username=ADA, password=NEW))
    [event] = await audited(house, 1)
    assert (event.actor, event.user_id, list(event.changed_fields)) == (ada, ada, ["password_hash"])


async def test_a_caller_without_a_session_ends_all_of_them(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    login = await nobody.Login(LOGIN)
    program = await house.person(ada)

    await program.users.ChangePassword(CHANGE)

    assert not await is_in(house, login)
    assert await (await documents_of(house, "users")).find(SESSIONS, login.session.id) is None


async def test_a_wrong_current_password_changes_nothing_and_is_audited(house: House, ada: str) -> None:
    person = await house.person(ada)
    before = await hash_of(house, ada)

    with refused(StatusCode.PERMISSION_DENIED) as refusal:
        await person.users.ChangePassword(ChangePasswordRequest(current_password="a guess", new_password=NEW))

    assert refusal.error.reason == "WRONG_PASSWORD"
    assert await hash_of(house, ada) == before
    [event] = await audited(house, 1)
    assert (event.failure, event.user_id, list(event.changed_fields)) == ("WRONG_PASSWORD", ada, [])


async def test_guesses_at_the_current_password_count_with_the_logins_of_the_account(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    person = await house.person(ada)
    guess = ChangePasswordRequest(current_password="a guess", new_password=NEW)

    for _ in range(3):
        with refused(StatusCode.PERMISSION_DENIED):
            await person.users.ChangePassword(guess)
    for _ in range(3):
        with refused(StatusCode.UNAUTHENTICATED):
            await nobody.Login(LoginRequest(username=ADA, password="a guess"))

    with refused(StatusCode.RESOURCE_EXHAUSTED) as early:
        await person.users.ChangePassword(CHANGE)
    assert early.error.reason == "LOGIN_THROTTLED"


async def test_a_repeated_change_gets_the_first_answer_though_the_password_is_another_by_then(
    house: House, ada: str
) -> None:
    person = await house.person(ada)
    change = ChangePasswordRequest(current_password=PASSWORD, new_password=NEW, request_id="once")

    await person.users.ChangePassword(change)
    once = await hash_of(house, ada)
    await person.users.ChangePassword(change)

    assert await hash_of(house, ada) == once


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 1001])
async def test_a_new_password_beyond_the_limits_is_refused(house: House, ada: str, password: str) -> None:
    person = await house.person(ada)

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await person.users.ChangePassword(ChangePasswordRequest(current_password=PASSWORD, new_password=password))

    assert refusal.fields == {"new_password"}
