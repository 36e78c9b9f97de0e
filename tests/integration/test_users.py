"""Accounts as a client meets them: registering and signing in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest
from grpc import StatusCode, aio
from llmchat.users.v1.user_pb2 import (
    THEME_DARK,
    USER_STATUS_ACTIVE,
    USER_STATUS_DELETED,
    USER_STATUS_SUSPENDED,
    User,
    UserSettings,
    UserStatus,
)
from llmchat.users.v1.users_service_pb2 import CreateUserRequest, GetUserRequest, LoginRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.documents.unit import Unit
from libs.common.rpc.status import from_rpc_error
from libs.common.store.port import Query
from services.users.collections import USERNAMES, USERS
from tests.integration.calling import refused
from tests.integration.conftest import House
from tests.standins.accounts import ADA, PASSWORD, registration

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub


@pytest.fixture
async def users(house: House) -> AsyncIterator[UsersServiceAsyncStub]:
    """Calls that carry no identity, unless they are given one."""
    async with aio.insecure_channel(house.address) as channel:
        yield UsersServiceStub(channel)


@pytest.fixture
async def ada(users: UsersServiceAsyncStub) -> User:
    """An account with nothing but what registering asks for."""
    return await users.CreateUser(registration())


async def set_status(house: House, user: User, status: UserStatus) -> None:
    """What an administrator does to an account, straight in the store."""
    documents = await house.process.documents("users", [USERS, USERNAMES])

    async def change(unit: Unit) -> None:
        record = await unit.get(USERS, user.id)
        record.status = status
        unit.put(USERS, record)

    await documents.unit(change)


async def all_usernames(house: House) -> int:
    documents = await house.process.documents("users", [USERS, USERNAMES])
    return await documents.store.count(Query.by_id(USERNAMES))


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


# Registering


async def test_an_account_has_what_was_given_and_defaults_for_the_rest(users: UsersServiceAsyncStub) -> None:
    user = await users.CreateUser(registration())

    assert user.id.startswith("user_")
    assert (user.username, user.display_name, user.status) == (ADA, "Ada", USER_STATUS_ACTIVE)
    assert user.settings == UserSettings(
        default_model="claude-3.5-sonnet",
        default_temperature=0.7,
        system_prompt="You are a helpful AI assistant.",
        streaming_enabled=True,
    )
    assert user.created_at == user.updated_at
    assert not user.HasField("last_login_at")
    assert user.etag == "1"


async def test_settings_that_are_given_stand_even_where_they_say_zero_or_no(users: UsersServiceAsyncStub) -> None:
    given = UserSettings(default_temperature=0, system_prompt="", streaming_enabled=False, theme=THEME_DARK)

    user = await users.CreateUser(registration(settings=given))

    assert user.settings == UserSettings(
        default_model="claude-3.5-sonnet",
        default_temperature=0,
        system_prompt="",
        streaming_enabled=False,
        theme=THEME_DARK,
    )


async def test_a_bad_registration_is_told_everything_that_is_wrong_with_it(users: UsersServiceAsyncStub) -> None:
    request = CreateUserRequest(
        username=" ada@example.org ",
        display_name="<b>Ada</b>",
        password="short",
        settings=UserSettings(default_model="", default_temperature=1.5, system_prompt="x" * 2001),
        request_id="r" * 101,
    )

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await users.CreateUser(request)

    assert refusal.fields == {
        "username",
        "display_name",
        "password",
        "settings.default_model",
        "settings.default_temperature",
        "settings.system_prompt",
        "request_id",
    }
    assert "short" not in refusal.error.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", "no address"),
        ("username", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.org"),
        ("display_name", ""),
        ("display_name", "x" * 101),
        ("display_name", "line\nbreak"),
        ("password", ""),
        ("password", "x" * 7),
        ("password", "x" * 1001),
    ],
)
async def test_a_field_beyond_its_limits_is_refused(users: UsersServiceAsyncStub, field: str, value: str) -> None:
    request = registration()
    setattr(request, field, value)

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await users.CreateUser(request)

    assert refusal.fields == {field}


async def test_limits_count_characters_and_include_the_last_one(users: UsersServiceAsyncStub) -> None:
    user = await users.CreateUser(
        CreateUserRequest(username=ADA, display_name="ß" * 100, password="ü" * 1000, request_id="é" * 100)
    )

    assert user.display_name == "ß" * 100


@pytest.mark.parametrize("username", [ADA, "ADA@Example.ORG"])
async def test_a_username_is_taken_in_whatever_case(users: UsersServiceAsyncStub, ada: User, username: str) -> None:
    with refused(StatusCode.ALREADY_EXISTS) as refusal:
        await users.CreateUser(registration(username))

    assert refusal.error.reason == "USERNAME_TAKEN"


async def test_of_two_who_want_a_name_at_once_one_gets_it(users: UsersServiceAsyncStub, house: House) -> None:
    answers = await asyncio.gather(
        users.CreateUser(registration("ada@example.org")),
        users.CreateUser(registration("Ada@example.org")),
        return_exceptions=True,
    )

    winners = [answer for answer in answers if isinstance(answer, User)]
    losers = [answer for answer in answers if isinstance(answer, aio.AioRpcError)]
    assert (len(winners), len(losers)) == (1, 1)
    assert from_rpc_error(losers[0]).reason == "USERNAME_TAKEN"
    assert await all_usernames(house) == 1
    login = await users.Login(LoginRequest(username=ADA, password=PASSWORD))
    assert login.user.id == winners[0].id


async def test_a_repeated_registration_gets_the_first_answer(users: UsersServiceAsyncStub) -> None:
    request = registration(request_id="once")

    first, at_the_same_time = await asyncio.gather(users.CreateUser(request), users.CreateUser(request))
    later = await users.CreateUser(request)

    assert first == at_the_same_time == later


async def test_a_request_id_serves_one_registration_only(users: UsersServiceAsyncStub) -> None:
    await users.CreateUser(registration(request_id="once"))

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await users.CreateUser(registration(password="another password", request_id="once"))

    assert refusal.error.reason == "REQUEST_ID_REUSED"


# Signing in


async def test_a_login_gives_a_token_that_stands_for_the_user(users: UsersServiceAsyncStub, ada: User) -> None:
    login = await users.Login(LoginRequest(username=ADA.upper(), password=PASSWORD))
    me = await users.GetUser(GetUserRequest(id="me"), metadata=(("authorization", f"Bearer {login.access_token}"),))

    assert me == login.user
    assert me.id == ada.id
    assert me.last_login_at.ToMilliseconds() >= ada.created_at.ToMilliseconds()
    assert me.updated_at == ada.updated_at
    assert login.expires_at.ToMilliseconds() > me.last_login_at.ToMilliseconds()


async def test_a_wrong_login_does_not_tell_which_half_is_wrong(users: UsersServiceAsyncStub, ada: User) -> None:
    with refused(StatusCode.UNAUTHENTICATED) as wrong_password:
        await users.Login(LoginRequest(username=ADA, password="wrong"))
    with refused(StatusCode.UNAUTHENTICATED) as unknown_user:
        await users.Login(LoginRequest(username="nobody@example.org", password=PASSWORD))

    assert wrong_password.error.text == unknown_user.error.text
    assert wrong_password.error.reason == unknown_user.error.reason == "WRONG_CREDENTIALS"


async def test_an_unknown_username_costs_as_much_work_as_a_wrong_password(
    users: UsersServiceAsyncStub, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Counts what takes the time instead of taking it: timings on a busy machine prove nothing.
    costs: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        costs.append(hashed[:7])
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    for username in (ADA, "nobody@example.org"):
        with refused(StatusCode.UNAUTHENTICATED):
            await users.Login(LoginRequest(username=username, password="wrong"))

    assert costs == [b"$2b$12$", b"$2b$12$"]


@pytest.mark.parametrize(
    ("username", "password"), [("", PASSWORD), ("x" * 255, PASSWORD), (ADA, ""), (ADA, "x" * 1001)]
)
async def test_a_login_beyond_the_limits_is_refused(users: UsersServiceAsyncStub, username: str, password: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT):
        await users.Login(LoginRequest(username=username, password=password))


async def test_long_passwords_that_differ_at_the_end_are_told_apart(users: UsersServiceAsyncStub) -> None:
    start = "a" * 500
    await users.CreateUser(registration(password=f"{start}1"))

    with refused(StatusCode.UNAUTHENTICATED):
        await users.Login(LoginRequest(username=ADA, password=f"{start}2"))
    assert await users.Login(LoginRequest(username=ADA, password=f"{start}1"))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(USER_STATUS_SUSPENDED, "ACCOUNT_SUSPENDED"), (USER_STATUS_DELETED, "ACCOUNT_DELETED")],
)
async def test_an_account_that_is_closed_opens_for_nobody(
    users: UsersServiceAsyncStub, house: House, ada: User, status: UserStatus, expected: str
) -> None:
    await set_status(house, ada, status)

    with refused(StatusCode.PERMISSION_DENIED) as owner:
        await users.Login(LoginRequest(username=ADA, password=PASSWORD))
    with refused(StatusCode.UNAUTHENTICATED) as stranger:
        await users.Login(LoginRequest(username=ADA, password="a guess"))

    assert owner.error.reason == expected
    assert stranger.error.reason == "WRONG_CREDENTIALS"


async def test_a_password_is_in_no_file_and_no_log(
    users: UsersServiceAsyncStub, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = Path(house.process.settings.store_url.removeprefix("sqlite:///"))

    await users.CreateUser(registration(request_id="once"))
    await users.Login(LoginRequest(username=ADA, password=PASSWORD))
    with refused(StatusCode.ALREADY_EXISTS):
        await users.CreateUser(registration())

    assert PASSWORD not in caplog.text
    written = contents(folder)
    assert ADA.encode() in written
    assert PASSWORD.encode() not in written
