"""Access keys: programs act by them for their owner, within what the key is permitted."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from llmchat.access.v1.access_service_pb2 import ResolveAccessKeyRequest
from llmchat.access.v1.access_service_pb2_grpc import AccessServiceStub
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest, ListThreadsRequest
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN, USER_ROLE_USER
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    CreateAccessKeyResponse,
    DeleteUserRequest,
    GetUserRequest,
    ListAccessKeysRequest,
    ListUsersRequest,
    RevokeAccessKeyRequest,
    SetUserRoleRequest,
    SuspendUserRequest,
)
from pydantic import SecretStr

from libs.common.clock import Clock, timestamp, wall_clock
from libs.common.crypto.keys import SecretKey
from libs.common.settings import SERVICES
from services.users.collections import ACCESS_KEYS
from tests.integration.accounts import account, administrator, program
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, bearing, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.tables import holding, tables
from tests.standins.accounts import registration

ME = GetUserRequest(id="me")
MINUTE = 60_000
HOUR = 60 * MINUTE


class StillClock:
    """Shows the moment at which it was made until it is moved."""

    def __init__(self) -> None:
        self.now = wall_clock()

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


def key(*permissions: str, **more: Any) -> CreateAccessKeyRequest:
    """A request for a key that is permitted everything unless something is named."""
    return CreateAccessKeyRequest(name="ci", permissions=permissions or ["*"], **more)


def later(milliseconds: int) -> Timestamp:
    return timestamp(wall_clock() + milliseconds)


async def stored(house: House, made: CreateAccessKeyResponse) -> AccessKeyRecord:
    return await (await documents_of(house, "users")).get(ACCESS_KEYS, made.access_key.id)


# What a key opens


async def test_a_program_does_with_a_key_what_its_owner_may_in_every_service(house: House, ada: Person) -> None:
    made = await ada.users.CreateAccessKey(key())

    async with program(house.address, made) as robot:
        assert (await robot.users.GetUser(ME)).id == ada.user_id
        thread = await robot.threads.CreateThread(CreateThreadRequest(title="By a robot"))
        assert thread.user_id == ada.user_id
        assert not (await robot.messages.ListMessages(ListMessagesRequest(thread_id=thread.id))).messages
        assert not (await robot.operations.ListOperations(ListOperationsRequest())).operations
    assert [one.id for one in (await ada.threads.ListThreads(ListThreadsRequest())).threads] == [thread.id]


async def test_a_key_opens_what_it_is_permitted_and_nothing_else(house: House, ada: Person) -> None:
    thread_id = (await ada.threads.CreateThread(CreateThreadRequest())).id
    made = await ada.users.CreateAccessKey(key("thread.read", "message.*"))

    async with program(house.address, made) as robot:
        assert (await robot.threads.GetThread(GetThreadRequest(id=thread_id))).id == thread_id
        assert not (await robot.messages.ListMessages(ListMessagesRequest(thread_id=thread_id))).messages
        for call in (
            robot.threads.ListThreads(ListThreadsRequest()),
            robot.users.GetUser(ME),
            robot.users.CreateAccessKey(key("thread.read")),
        ):
            with refused(StatusCode.PERMISSION_DENIED) as refusal:
                await call
            assert refusal.error.reason == "KEY_NOT_PERMITTED"
        assert await robot.users.CreateUser(registration("bob@example.org")), "anyone may, with or without a key"


async def test_a_key_of_an_administrators_is_one_while_its_owner_is(house: House, ada: Person) -> None:
    plain = await ada.users.CreateAccessKey(key())
    everybody = ListUsersRequest()
    async with administrator(house) as root, program(house.address, plain) as robot:
        with refused(StatusCode.PERMISSION_DENIED):
            await robot.users.ListUsers(everybody)
        await root.users.SetUserRole(SetUserRoleRequest(id=ada.user_id, role=USER_ROLE_ADMIN))
        assert len((await robot.users.ListUsers(everybody)).users) == 2
        await root.users.SetUserRole(SetUserRoleRequest(id=ada.user_id, role=USER_ROLE_USER))
        with refused(StatusCode.PERMISSION_DENIED):
            await robot.users.ListUsers(everybody)


async def test_a_key_is_known_in_processes_that_have_no_accounts(tmp_path: Path) -> None:
    async with open_house(tmp_path / "here", "users") as house, other_house(tmp_path, house, "threads") as elsewhere:
        ada = await account(house)
        made, unused = [await ada.users.CreateAccessKey(key("thread.*")) for _ in range(2)]

        async with program(elsewhere.address, made) as robot, program(elsewhere.address, unused) as other_robot:
            assert (await robot.threads.CreateThread(CreateThreadRequest())).user_id == ada.user_id

            await house.process.server.stop(0)
            assert (await robot.threads.ListThreads(ListThreadsRequest())).threads, "for half a minute"
            with refused(StatusCode.UNAVAILABLE):
                await other_robot.threads.ListThreads(ListThreadsRequest())


def other_house(
    folder: Path, house: House, *services: str, clock: Clock = wall_clock
) -> AbstractAsyncContextManager[House]:
    """A process of its own, as far as others can tell, with the same keys; `house` has the accounts."""
    secret_key = SecretStr((folder / "here" / "secret.key").read_text())
    return open_house(folder / "elsewhere", *services, clock=clock, users_address=house.address, secret_key=secret_key)


# Keys that are no good


@pytest.mark.parametrize("end", ["revoked", "expired", "suspended", "deleted"])
async def test_every_key_that_is_no_good_any_more_is_refused_with_the_same_words(tmp_path: Path, end: str) -> None:
    clock = StillClock()
    async with open_house(tmp_path, clock=clock) as house, administrator(house) as root:
        ada = await account(house)
        made = await ada.users.CreateAccessKey(key(expires_at=later(HOUR)))
        async with program(house.address, made) as robot:
            assert (await robot.users.GetUser(ME)).id == ada.user_id
            match end:
                case "revoked":
                    await ada.users.RevokeAccessKey(RevokeAccessKeyRequest(id=made.access_key.id))
                case "expired":
                    clock.now += 2 * HOUR
                case "suspended":
                    await root.users.SuspendUser(SuspendUserRequest(id=ada.user_id, reason="spam"))
                case "deleted":
                    await root.users.DeleteUser(DeleteUserRequest(id=ada.user_id))
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await robot.threads.ListThreads(ListThreadsRequest())
        assert (refusal.error.reason, refusal.error.text) == ("INVALID_ACCESS_KEY", "the access key is not valid")


async def test_guesses_are_refused_with_those_words_too_and_write_nothing(house: House, ada: Person) -> None:
    made = await ada.users.CreateAccessKey(key())
    before = await settled(house)

    for guess in (
        made.secret[:-1] + ("A" if made.secret[-1] != "A" else "E"),
        f"llmchat_{'0' * 26}_{'A' * 43}",
        f"{made.secret}x",
        made.secret[:-1],
        "llmchat_",
        f"llmchat_{'x' * 5000}",
    ):
        async with bearing(house.address, guess, ada.user_id) as robot:
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await robot.users.GetUser(ME)
        assert (refusal.error.reason, refusal.error.text) == ("INVALID_ACCESS_KEY", "the access key is not valid")

    assert await settled(house) == before


def folder_of(house: House) -> Path:
    return Path(house.process.settings.store_url.removeprefix("sqlite:///"))


async def settled(house: House) -> dict[str, dict[str, int]]:
    """What the users service has stored, once its events have been handled."""

    async def read() -> dict[str, dict[str, int]]:
        return tables(folder_of(house), "users")

    return await eventually(read, lambda found: not found["outbox"])


# Making keys


async def test_a_key_is_shown_once_and_then_known_by_how_it_begins(house: House, ada: Person) -> None:
    made = await ada.users.CreateAccessKey(key("thread.read", expires_at=later(HOUR), request_id="once"))

    [listed] = (await ada.users.ListAccessKeys(ListAccessKeysRequest())).access_keys
    assert listed == made.access_key
    assert (listed.name, list(listed.permissions), listed.user_id) == ("ci", ["thread.read"], ada.user_id)
    assert made.secret.startswith(listed.prefix)
    assert len(made.secret) - len(listed.prefix) > 43, "of the random part nothing is shown"
    await settled(house)
    for service in SERVICES:
        assert not holding(folder_of(house), service, made.secret[len(listed.prefix) :])
    assert len((await stored(house, made)).hash) == 32


async def test_a_repeat_gets_the_same_key(ada: Person) -> None:
    first, second = await asyncio.gather(*(ada.users.CreateAccessKey(key(request_id="once")) for _ in range(2)))
    assert first == second
    assert len((await ada.users.ListAccessKeys(ListAccessKeysRequest())).access_keys) == 1


@pytest.mark.parametrize(
    "unknown", ["thread.fly", "thread", "cloud.read", "cloud.*", "*.read", "*.*", "thread.read.all", "", "THREAD.read"]
)
async def test_a_permission_that_is_none_is_refused(ada: Person, unknown: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.users.CreateAccessKey(key("thread.read", unknown))
    assert refusal.fields <= {"permissions", "permissions[1]"}


async def test_what_a_key_needs(ada: Person) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.users.CreateAccessKey(CreateAccessKeyRequest())
    assert refusal.fields == {"name", "permissions"}
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.users.CreateAccessKey(key("*", "*"))
    assert refusal.fields == {"permissions"}
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.users.CreateAccessKey(key(expires_at=later(-1)))
    assert refusal.fields == {"expires_at"}


async def test_a_key_makes_none_that_may_do_more_than_itself(house: House, ada: Person) -> None:
    made = await ada.users.CreateAccessKey(key("access_key.create", "thread.*", "message.read"))
    strong = await ada.users.CreateAccessKey(key(request_id="guessed"))

    async with program(house.address, made) as robot:
        for allowed in ("thread.read", "thread.*", "message.read", "access_key.create"):
            less = await robot.users.CreateAccessKey(key(allowed))
            assert list(less.access_key.permissions) == [allowed]
        for more in ("message.*", "message.create", "user.read", "*"):
            with refused(StatusCode.PERMISSION_DENIED) as refusal:
                await robot.users.CreateAccessKey(key("thread.read", more))
            assert refusal.error.reason == "KEY_NOT_PERMITTED"
        with refused(StatusCode.PERMISSION_DENIED):
            await robot.users.CreateAccessKey(key(request_id="guessed"))
    assert strong.secret


async def test_a_key_makes_none_that_outlives_it(house: House, ada: Person) -> None:
    ends = later(HOUR)
    made = await ada.users.CreateAccessKey(key(expires_at=ends))

    async with program(house.address, made) as robot:
        for wanted in ({}, {"expires_at": later(2 * HOUR)}):
            with refused(StatusCode.INVALID_ARGUMENT) as refusal:
                await robot.users.CreateAccessKey(key(**wanted))
            assert refusal.fields == {"expires_at"}
        assert (await robot.users.CreateAccessKey(key(expires_at=ends))).access_key.expires_at == ends


async def test_a_person_has_fifty_keys_at_most_however_many_are_asked_for_at_once(house: House, ada: Person) -> None:
    await plant(
        house,
        "users",
        ACCESS_KEYS,
        *(AccessKeyRecord(id=f"key_{number}", user_id=ada.user_id) for number in range(47)),
    )

    answers = await asyncio.gather(*(ada.users.CreateAccessKey(key()) for _ in range(6)), return_exceptions=True)

    assert sum(isinstance(answer, CreateAccessKeyResponse) for answer in answers) == 3
    with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
        await ada.users.CreateAccessKey(key())
    assert refusal.error.reason == "TOO_MANY_ACCESS_KEYS"
    await ada.users.RevokeAccessKey(RevokeAccessKeyRequest(id="key_0"))
    assert await ada.users.CreateAccessKey(key())


async def test_who_has_no_account_has_no_keys(house: House) -> None:
    nobody = await house.person()
    with refused(StatusCode.NOT_FOUND):
        await nobody.users.CreateAccessKey(key())


# Looking after them


async def test_ones_own_keys_are_listed_newest_first_page_by_page(house: House, ada: Person) -> None:
    bob = await account(house, "bob@example.org")
    await bob.users.CreateAccessKey(key())
    made = [(await ada.users.CreateAccessKey(key())).access_key for _ in range(5)]

    ids: list[str] = []
    request = ListAccessKeysRequest(page_size=2, count_total=True)
    while True:
        page = await ada.users.ListAccessKeys(request)
        assert page.total_size == 5
        ids += [one.id for one in page.access_keys]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert ids == [one.id for one in reversed(made)]
    with refused(StatusCode.INVALID_ARGUMENT):
        token = (await ada.users.ListAccessKeys(ListAccessKeysRequest(page_size=2))).next_page_token
        await bob.users.ListAccessKeys(ListAccessKeysRequest(page_token=token))


async def test_only_ones_own_key_is_revoked_and_once(house: House, ada: Person) -> None:
    bob = await account(house, "bob@example.org")
    made = await ada.users.CreateAccessKey(key())
    request = RevokeAccessKeyRequest(id=made.access_key.id, request_id="once")

    with refused(StatusCode.NOT_FOUND) as anothers:
        await bob.users.RevokeAccessKey(request)
    async with program(house.address, made) as robot:
        assert (await robot.users.GetUser(ME)).id == ada.user_id
        for _ in range(2):
            await ada.users.RevokeAccessKey(request)
        with refused(StatusCode.UNAUTHENTICATED):
            await robot.users.GetUser(ME)
    with refused(StatusCode.NOT_FOUND) as gone:
        await ada.users.RevokeAccessKey(RevokeAccessKeyRequest(id=made.access_key.id))
    assert anothers.error.text == gone.error.text
    assert not (await ada.users.ListAccessKeys(ListAccessKeysRequest())).access_keys


async def test_when_a_key_was_last_used_is_stored_to_the_minute_and_once_a_minute(tmp_path: Path) -> None:
    clock = StillClock()
    async with open_house(tmp_path, clock=clock) as house:
        ada = await account(house)
        made = await ada.users.CreateAccessKey(key())
        assert not made.access_key.HasField("last_used_at")
        access = house.process.channels("threads").stub("users", AccessServiceStub)

        async def use() -> tuple[int, int]:
            """When it was last used is told, in minutes, and how often it has been stored."""
            await access.ResolveAccessKey(ResolveAccessKeyRequest(secret=made.secret))
            [listed] = (await ada.users.ListAccessKeys(ListAccessKeysRequest())).access_keys
            revision = tables(tmp_path, "users")["access_keys"][listed.id]
            seconds = listed.last_used_at.ToMilliseconds() / 1000
            return int(seconds / 60), revision

        minute = clock() // MINUTE
        assert await use() == (minute, 2)
        clock.now += MINUTE - 1 - clock() % MINUTE
        assert await use() == (minute, 2)
        clock.now += 1
        assert await use() == (minute + 1, 3)


async def test_keys_outlive_the_secret_key_that_they_were_made_under_once_they_have_been_used(tmp_path: Path) -> None:
    old, new = SecretKey.generate(), SecretKey.generate()
    async with open_house(tmp_path, secret_key=SecretStr(old.encoded)) as house:
        ada = await account(house)
        used, unused = [await ada.users.CreateAccessKey(key()) for _ in range(2)]
        assert (await stored(house, used)).key_id == old.id

    async with (
        open_house(tmp_path, secret_key=SecretStr(f"{new.encoded},{old.encoded}")) as house,
        program(house.address, used) as robot,
    ):
        assert (await robot.users.GetUser(ME)).id == ada.user_id
        assert (await stored(house, used)).key_id == new.id
        assert (await stored(house, unused)).key_id == old.id

    async with (
        open_house(tmp_path, secret_key=SecretStr(new.encoded)) as house,
        program(house.address, used) as robot,
        program(house.address, unused) as forgotten,
    ):
        assert (await robot.users.GetUser(ME)).id == ada.user_id
        with refused(StatusCode.UNAUTHENTICATED):
            await forgotten.users.GetUser(ME)
