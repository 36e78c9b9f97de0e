"""What administrators do with accounts: finding, suspending, letting in again, giving roles."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.v1.user_pb2 import (
    USER_ROLE_ADMIN,
    USER_ROLE_UNSPECIFIED,
    USER_ROLE_USER,
    USER_STATUS_ACTIVE,
    USER_STATUS_SUSPENDED,
)
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    LoginRequest,
    ReactivateUserRequest,
    SetUserRoleRequest,
    SuspendUserRequest,
)

from tests.integration.accounts import account, administrator, operator, plant_account, program
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, bearing
from tests.standins.accounts import ADA, PASSWORD, registration

ME = GetUserRequest(id="me")


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """An administrator."""
    async with administrator(house) as root:
        yield root


@pytest.fixture
async def ada(house: House) -> Person:
    return await account(house)


def suspension(person: Person, reason: str = "spam", request_id: str = "") -> SuspendUserRequest:
    return SuspendUserRequest(id=person.user_id, reason=reason, request_id=request_id)


def reactivation(person: Person, request_id: str = "") -> ReactivateUserRequest:
    return ReactivateUserRequest(id=person.user_id, request_id=request_id)


def role(person: Person, role: int, request_id: str = "") -> SetUserRoleRequest:
    return SetUserRoleRequest(id=person.user_id, role=role, request_id=request_id)  # type: ignore[arg-type]


async def audited(root: Person, person: Person, count: int) -> list[AuditEvent]:
    """What was done to a person, oldest first, once that is `count` things."""

    async def read() -> list[AuditEvent]:
        answer = await root.operations.ListAuditEvents(ListAuditEventsRequest(user_id=person.user_id))
        return list(reversed(answer.audit_events))

    return await eventually(read, lambda events: len(events) == count)


# Finding


async def test_all_accounts_are_listed_newest_first_page_by_page(house: House, root: Person) -> None:
    ids = [await plant_account(house, f"{number}@example.org") for number in range(5)]

    found: list[str] = []
    request = ListUsersRequest(page_size=4, count_total=True)
    for expected in (4, 2):
        page = await root.users.ListUsers(request)
        assert (len(page.users), page.total_size) == (expected, 6)
        found += [user.id for user in page.users]
        request.page_token = page.next_page_token
    assert not request.page_token
    assert set(found) == {*ids, root.user_id}
    times = [(await root.users.GetUser(GetUserRequest(id=id))).created_at.ToMilliseconds() for id in found]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(("username", "count"), [(ADA, 1), (ADA.upper(), 1), ("nobody@example.org", 0)])
async def test_an_account_is_found_by_its_username_in_whatever_case(
    root: Person, ada: Person, username: str, count: int
) -> None:
    page = await root.users.ListUsers(ListUsersRequest(username=username, count_total=True))

    assert [user.id for user in page.users] == [ada.user_id][:count]
    assert (page.total_size, page.next_page_token) == (count, "")


async def test_a_page_token_serves_the_list_that_gave_it(house: House, root: Person, ada: Person) -> None:
    token = (await root.users.ListUsers(ListUsersRequest(page_size=1))).next_page_token
    assert token
    async with operator(house) as another:
        for person, request in (
            (root, ListUsersRequest(page_token=token, username=ADA)),
            (root, ListUsersRequest(page_token="x" + token)),
            (another, ListUsersRequest(page_token=token)),
        ):
            with refused(StatusCode.INVALID_ARGUMENT) as refusal:
                await person.users.ListUsers(request)
            assert refusal.error.reason == "INVALID_PAGE_TOKEN"


async def test_an_administrator_reads_anyone(root: Person, ada: Person) -> None:
    user = await root.users.GetUser(GetUserRequest(id=ada.user_id))
    assert (user.username, user.role) == (ADA, USER_ROLE_USER)
    assert (await root.users.GetUser(ME)).role == USER_ROLE_ADMIN


# Suspending


async def test_who_is_suspended_is_out_and_told_why_and_may_be_let_in_again(house: House, root: Person) -> None:
    login = LoginRequest(username=ADA, password=PASSWORD)
    async with house.visit() as nobody:
        await nobody.users.CreateUser(registration())
        before = await nobody.users.Login(login)
        ada = before.user
        async with bearing(house.address, before.access_token, ada.id) as signed_in:
            suspended = await root.users.SuspendUser(suspension(signed_in, "spam"))
            assert (suspended.id, suspended.status, suspended.suspension_reason) == (
                ada.id,
                USER_STATUS_SUSPENDED,
                "spam",
            )
            assert await root.users.GetUser(GetUserRequest(id=ada.id)) == suspended
            with refused(StatusCode.PERMISSION_DENIED) as refusal:
                await nobody.users.Login(login)
            assert refusal.error.reason == "ACCOUNT_SUSPENDED"

            active = await root.users.ReactivateUser(reactivation(signed_in))
            assert (active.status, active.suspension_reason) == (USER_STATUS_ACTIVE, "")
            with refused(StatusCode.UNAUTHENTICATED) as ended:
                await signed_in.users.GetUser(ME)
            assert ended.error.reason == "SIGN_IN_ENDED"

        after = await nobody.users.Login(login)
        async with bearing(house.address, after.access_token, ada.id) as back:
            assert (await back.users.GetUser(ME)).id == ada.id


async def test_access_keys_are_good_again_when_their_owner_is_back(house: House, root: Person, ada: Person) -> None:
    made = await ada.users.CreateAccessKey(CreateAccessKeyRequest(name="ci", permissions=["*"]))
    async with program(house.address, made) as robot:
        await root.users.SuspendUser(suspension(ada))
        with refused(StatusCode.UNAUTHENTICATED):
            await robot.users.GetUser(ME)
        await root.users.ReactivateUser(reactivation(ada))
        assert (await robot.users.GetUser(ME)).id == ada.user_id


async def test_another_suspension_replaces_the_reason_and_who_is_not_suspended_is_not_let_in_twice(
    root: Person, ada: Person
) -> None:
    first = await root.users.SuspendUser(suspension(ada, "spam"))
    second = await root.users.SuspendUser(suspension(ada, "more spam"))
    assert (first.suspension_reason, second.suspension_reason) == ("spam", "more spam")

    back = await root.users.ReactivateUser(reactivation(ada))
    assert await root.users.ReactivateUser(reactivation(ada)) == back
    done = [event.action for event in await audited(root, ada, 3)]
    assert done == ["user.suspend", "user.suspend", "user.reactivate"]


async def test_a_repeat_gets_the_first_answer_and_does_nothing(root: Person, ada: Person) -> None:
    suspend, reactivate = suspension(ada, request_id="one"), reactivation(ada, request_id="two")
    promote = role(ada, USER_ROLE_ADMIN, request_id="three")

    suspended = await root.users.SuspendUser(suspend)
    active = await root.users.ReactivateUser(reactivate)
    admin = await root.users.SetUserRole(promote)

    assert await root.users.SuspendUser(suspend) == suspended
    assert await root.users.ReactivateUser(reactivate) == active
    assert await root.users.SetUserRole(promote) == admin
    assert await root.users.GetUser(GetUserRequest(id=ada.user_id)) == admin
    assert len(await audited(root, ada, 3)) == 3


# Roles


async def test_a_role_comes_with_the_next_sign_in(house: House, root: Person, ada: Person) -> None:
    promoted = await root.users.SetUserRole(role(ada, USER_ROLE_ADMIN))
    assert promoted.role == USER_ROLE_ADMIN
    with refused(StatusCode.UNAUTHENTICATED):
        await ada.users.GetUser(ME)

    token, _ = house.process.tokens.issue_user(ada.user_id, True)
    async with bearing(house.address, token, ada.user_id) as ada_as_admin:
        assert (await ada_as_admin.users.ListUsers(ListUsersRequest())).users
        assert (await root.users.SetUserRole(role(ada, USER_ROLE_USER))).role == USER_ROLE_USER
        with refused(StatusCode.UNAUTHENTICATED):
            await ada_as_admin.users.ListUsers(ListUsersRequest())


async def test_who_has_the_role_already_stays_signed_in(root: Person, ada: Person) -> None:
    assert (await root.users.SetUserRole(role(ada, USER_ROLE_USER))).role == USER_ROLE_USER
    assert await ada.users.GetUser(ME)
    assert (await root.users.SetUserRole(role(root, USER_ROLE_ADMIN))).role == USER_ROLE_ADMIN
    assert await root.users.GetUser(ME)


async def test_no_administrator_shuts_themselves_out(root: Person) -> None:
    for id in (root.user_id, "me"):
        for call in (
            root.users.SuspendUser(SuspendUserRequest(id=id, reason="tired")),
            root.users.SetUserRole(SetUserRoleRequest(id=id, role=USER_ROLE_USER)),
        ):
            with refused(StatusCode.FAILED_PRECONDITION) as refusal:
                await call
            assert refusal.error.reason == "OWN_ACCOUNT"
    assert (await root.users.GetUser(ME)).status == USER_STATUS_ACTIVE


# Refusals


async def test_only_an_administrator_does_any_of_it(root: Person, ada: Person) -> None:
    for call in (
        ada.users.ListUsers(ListUsersRequest()),
        ada.users.SuspendUser(suspension(root)),
        ada.users.ReactivateUser(reactivation(ada)),
        ada.users.SetUserRole(role(ada, USER_ROLE_ADMIN)),
    ):
        with refused(StatusCode.PERMISSION_DENIED):
            await call
    for other in (root.user_id, "user_x"):
        with refused(StatusCode.NOT_FOUND):
            await ada.users.GetUser(GetUserRequest(id=other))


async def test_an_account_that_is_not_there_or_deleted_is_not_found(root: Person, ada: Person) -> None:
    await root.users.DeleteUser(DeleteUserRequest(id=ada.user_id))
    for id in (ada.user_id, "user_x"):
        for call in (
            root.users.SuspendUser(SuspendUserRequest(id=id, reason="spam")),
            root.users.ReactivateUser(ReactivateUserRequest(id=id)),
            root.users.SetUserRole(SetUserRoleRequest(id=id, role=USER_ROLE_ADMIN)),
            root.users.GetUser(GetUserRequest(id=id)),
        ):
            with refused(StatusCode.NOT_FOUND):
                await call


async def test_a_suspension_has_a_reason_and_a_role_is_one(root: Person, ada: Person) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await root.users.SuspendUser(suspension(ada, ""))
    assert refusal.fields == {"reason"}
    for none in (USER_ROLE_UNSPECIFIED, 7):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await root.users.SetUserRole(role(ada, none))
        assert refusal.fields == {"role"}


async def test_it_is_audited_who_did_it_to_whom(root: Person, ada: Person) -> None:
    await root.users.SuspendUser(suspension(ada, "a private reason"))
    await root.users.ReactivateUser(reactivation(ada))
    await root.users.SetUserRole(role(ada, USER_ROLE_ADMIN))

    events = await audited(root, ada, 3)
    done = [(event.action, list(event.changed_fields)) for event in events]
    assert done == [("user.suspend", []), ("user.reactivate", []), ("role.update", ["role"])]
    assert {(event.actor, event.user_id, event.entity_id) for event in events} == {
        (root.user_id, ada.user_id, ada.user_id)
    }
    assert not any("private" in str(event) for event in events)
