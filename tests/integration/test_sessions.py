"""Sessions: begun by a login, carried on by refresh tokens that are good once, ended at once and everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grpc import StatusCode, aio
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.threads.v1.threads_service_pb2 import WatchThreadsRequest
from llmchat.users.stored.v1.session_pb2 import LoginAttempts, SessionRecord
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN, USER_STATUS_DELETED, USER_STATUS_SUSPENDED, UserStatus
from llmchat.users.v1.users_service_pb2 import (
    GetUserRequest,
    ListSessionsRequest,
    LoginRequest,
    LoginResponse,
    LogoutRequest,
    RefreshSessionRequest,
    RevokeSessionRequest,
)
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.clock import timestamp, wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.documents.unit import new_id
from libs.common.rpc.status import from_rpc_error
from libs.common.store.port import Query
from services.users.collections import LOGIN_ATTEMPTS, SESSIONS, USERS
from services.users.session_tokens import RefreshTokens
from services.users.sessions import MOST_SESSIONS
from tests.integration.accounts import administrator, plant_account
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, bearing, open_house
from tests.integration.planting import documents_of, plant
from tests.standins.accounts import ADA, PASSWORD, registration

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

ME = GetUserRequest(id="me")
DAY = 24 * 3600 * 1000


@pytest.fixture
async def nobody(house: House) -> AsyncIterator[UsersServiceAsyncStub]:
    """Calls that carry no identity, as those do that sign in or refresh."""
    async with aio.insecure_channel(house.address) as channel:
        yield UsersServiceStub(channel)


@pytest.fixture
async def ada(house: House) -> str:
    """The id of an account."""
    return await plant_account(house)


def session_of(user_id: str, *, age: int = 0, life: int = DAY, client_name: str = "") -> SessionRecord:
    """A session that began `age` milliseconds ago and ends `life` milliseconds after that."""
    began = wall_clock() - age
    return SessionRecord(
        id=new_id(SESSIONS),
        user_id=user_id,
        client_name=client_name,
        created_at=timestamp(began),
        last_used_at=timestamp(began),
        expires_at=timestamp(began + life),
    )


def first_token(house: House, session: SessionRecord) -> str:
    return RefreshTokens(house.process.keys.derive("refresh")).issue(session.id, 0)


async def sign_in(house: House, nobody: UsersServiceAsyncStub, user_id: str, client_name: str = "") -> LoginResponse:
    """A new session, without the quarter of a second that a password takes."""
    session = session_of(user_id, client_name=client_name)
    await plant(house, "users", SESSIONS, session)
    return await nobody.RefreshSession(RefreshSessionRequest(refresh_token=first_token(house, session)))


def by(house: House, tokens: LoginResponse) -> AbstractAsyncContextManager[Person]:
    """Whoever holds the access token."""
    return bearing(house.address, tokens.access_token, tokens.user.id)


async def audited(house: House, action: str, *, count: int = 1) -> list[AuditEvent]:
    """What the audit log says of the action, once it has so many entries."""
    async with administrator(house) as root:

        async def events() -> list[AuditEvent]:
            answer = await root.operations.ListAuditEvents(ListAuditEventsRequest(action=action))
            return list(answer.audit_events)

        return await eventually(events, lambda found: len(found) >= count)


# A session's beginning


async def test_a_login_begins_a_session_that_its_owner_can_see(nobody: UsersServiceAsyncStub, house: House) -> None:
    user = await nobody.CreateUser(registration())

    login = await nobody.Login(LoginRequest(username=ADA, password=PASSWORD, client_name="Ada's phone"))

    async with by(house, login) as phone:
        [session] = (await phone.users.ListSessions(ListSessionsRequest())).sessions
    assert session == login.session
    assert (session.user_id, session.client_name, session.is_current) == (user.id, "Ada's phone", True)
    assert session.last_used_at == session.created_at
    assert session.expires_at.ToMilliseconds() - session.created_at.ToMilliseconds() == 30 * DAY
    [event] = await audited(house, "user.login")
    assert (event.user_id, event.entity_id, event.failure) == (user.id, user.id, "")
    [opened] = await audited(house, "user.create")
    assert (opened.user_id, opened.entity_type) == (user.id, "user")


async def test_one_session_more_than_a_hundred_ends_the_oldest(nobody: UsersServiceAsyncStub, house: House) -> None:
    user = await nobody.CreateUser(registration())
    oldest, *others = [session_of(user.id, age=1000 - number) for number in range(MOST_SESSIONS)]
    await plant(house, "users", SESSIONS, oldest, *others)

    login = await nobody.Login(LoginRequest(username=ADA, password=PASSWORD))

    left = await documents_of(house, "users")
    assert await left.find(SESSIONS, oldest.id) is None
    assert await left.find(SESSIONS, others[0].id) is not None
    assert await left.find(SESSIONS, login.session.id) is not None
    [event] = await audited(house, "session.delete")
    assert event.entity_id == oldest.id


async def test_what_is_past_its_time_is_removed(tmp_path: Path) -> None:
    now = wall_clock()
    attempts = [
        LoginAttempts(id=id, failures=1, expires_at=timestamp(at)) for id, at in (("a", now - 1), ("b", now + DAY))
    ]
    over, living = session_of("user_ada", age=DAY, life=DAY), session_of("user_ada")
    async with open_house(tmp_path) as house:
        await plant(house, "users", LOGIN_ATTEMPTS, *attempts)
        await plant(house, "users", SESSIONS, over, living)

    async with open_house(tmp_path) as house:
        documents = await documents_of(house, "users")

        async def left() -> list[str]:
            attempts = await documents.query(Query.by_id(LOGIN_ATTEMPTS))
            sessions = await documents.query(Query.by_id(SESSIONS))
            return [*(one.id for one in attempts), *(one.id for one in sessions)]

        assert await eventually(left, lambda ids: len(ids) == 2) == ["b", living.id]


# Refreshing


async def test_a_refresh_gives_the_next_tokens_and_lets_the_session_last(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    session = session_of(ada, age=DAY, life=2 * DAY)
    await plant(house, "users", SESSIONS, session)

    first = await nobody.RefreshSession(RefreshSessionRequest(refresh_token=first_token(house, session)))
    second = await nobody.RefreshSession(RefreshSessionRequest(refresh_token=first.refresh_token))

    assert first.session.id == second.session.id == session.id
    assert second.session.created_at == session.created_at
    assert second.session.last_used_at.ToMilliseconds() > session.last_used_at.ToMilliseconds()
    assert second.session.expires_at.ToMilliseconds() - second.session.last_used_at.ToMilliseconds() == 30 * DAY
    for tokens in (first, second):
        async with by(house, tokens) as person:
            assert (await person.users.GetUser(ME)).id == ada


async def test_a_repeat_after_a_lost_answer_gets_that_answer_and_is_no_reuse(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    tokens = await sign_in(house, nobody, ada)
    request = RefreshSessionRequest(refresh_token=tokens.refresh_token, request_id="once")

    first, at_the_same_time = await asyncio.gather(nobody.RefreshSession(request), nobody.RefreshSession(request))
    async with by(house, tokens) as still_signed_in:
        later = await still_signed_in.users.RefreshSession(request)

    assert first == at_the_same_time == later
    assert await nobody.RefreshSession(RefreshSessionRequest(refresh_token=later.refresh_token))


async def test_a_refresh_token_used_twice_ends_the_session_for_both_of_its_users(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    stolen = await sign_in(house, nobody, ada)
    thiefs = await nobody.RefreshSession(RefreshSessionRequest(refresh_token=stolen.refresh_token, request_id="1"))

    with refused(StatusCode.UNAUTHENTICATED) as owner:
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=stolen.refresh_token, request_id="2"))

    assert owner.error.reason == "REFRESH_TOKEN_REUSED"
    with refused(StatusCode.UNAUTHENTICATED) as thief:
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=thiefs.refresh_token))
    assert thief.error.reason == "INVALID_REFRESH_TOKEN"
    async with by(house, thiefs) as person:
        with refused(StatusCode.UNAUTHENTICATED) as access:
            await person.users.GetUser(ME)
    assert access.error.reason == "SIGN_IN_ENDED"
    [event] = await audited(house, "session.reuse")
    assert (event.user_id, event.entity_id) == (ada, stolen.session.id)


async def test_of_two_refreshes_at_once_with_one_token_one_wins_and_the_other_is_reuse(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    tokens = await sign_in(house, nobody, ada)

    answers = await asyncio.gather(
        *(
            nobody.RefreshSession(RefreshSessionRequest(refresh_token=tokens.refresh_token, request_id=id))
            for id in ("one", "other")
        ),
        return_exceptions=True,
    )

    [loser] = [answer for answer in answers if isinstance(answer, aio.AioRpcError)]
    [winner] = [answer for answer in answers if isinstance(answer, LoginResponse)]
    assert from_rpc_error(loser).reason == "REFRESH_TOKEN_REUSED"
    with refused(StatusCode.UNAUTHENTICATED):
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=winner.refresh_token))


async def test_a_token_that_was_not_signed_here_or_whose_session_is_over_is_refused(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    living, over = session_of(ada), session_of(ada, age=DAY, life=DAY)
    await plant(house, "users", SESSIONS, living, over)
    forger = RefreshTokens(KeyRing.generate().derive("refresh"))
    invalid = {
        "malformed": "llmchat_refresh",
        "another installation's": forger.issue(living.id, 0),
        "of no session": first_token(house, session_of(ada)),
        "of one that is over": first_token(house, over),
    }

    for what, token in invalid.items():
        with refused(StatusCode.UNAUTHENTICATED) as refusal:
            await nobody.RefreshSession(RefreshSessionRequest(refresh_token=token))
        assert refusal.error.reason == "INVALID_REFRESH_TOKEN", what

    assert await nobody.RefreshSession(RefreshSessionRequest(refresh_token=first_token(house, living)))


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (USER_STATUS_SUSPENDED, StatusCode.PERMISSION_DENIED, "ACCOUNT_SUSPENDED"),
        (USER_STATUS_DELETED, StatusCode.UNAUTHENTICATED, "INVALID_REFRESH_TOKEN"),
    ],
)
async def test_the_session_of_a_closed_account_is_not_carried_on(
    nobody: UsersServiceAsyncStub, house: House, ada: str, status: UserStatus, code: StatusCode, reason: str
) -> None:
    tokens = await sign_in(house, nobody, ada)
    record = await (await documents_of(house, "users")).get(USERS, ada)
    record.status = status
    await plant(house, "users", USERS, record)

    with refused(code) as refusal:
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=tokens.refresh_token))

    assert refusal.error.reason == reason


async def test_a_refresh_gives_the_role_that_the_account_has_by_then(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    tokens = await sign_in(house, nobody, ada)
    record = await (await documents_of(house, "users")).get(USERS, ada)
    record.is_admin = True
    await plant(house, "users", USERS, record)

    refreshed = await nobody.RefreshSession(RefreshSessionRequest(refresh_token=tokens.refresh_token))

    assert refreshed.user.role == USER_ROLE_ADMIN
    assert not house.process.tokens.verify(tokens.access_token).caller.is_admin
    assert house.process.tokens.verify(refreshed.access_token).caller.is_admin


# A session's end


async def test_whoever_logs_out_is_out_at_once(nobody: UsersServiceAsyncStub, house: House, ada: str) -> None:
    phone, laptop = await sign_in(house, nobody, ada), await sign_in(house, nobody, ada)

    async with by(house, phone) as person:
        await person.users.Logout(LogoutRequest())
        with refused(StatusCode.UNAUTHENTICATED) as access:
            await person.users.GetUser(ME)
    with refused(StatusCode.UNAUTHENTICATED) as refresh:
        await nobody.RefreshSession(RefreshSessionRequest(refresh_token=phone.refresh_token))

    assert (access.error.reason, refresh.error.reason) == ("SIGN_IN_ENDED", "INVALID_REFRESH_TOKEN")
    async with by(house, laptop) as person:
        [left] = (await person.users.ListSessions(ListSessionsRequest())).sessions
    assert left.id == laptop.session.id
    [event] = await audited(house, "session.delete")
    assert (event.actor, event.user_id, event.entity_id) == (ada, ada, phone.session.id)


async def test_without_a_session_there_is_nothing_to_log_out_of(house: House) -> None:
    anna = await house.person()

    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await anna.users.Logout(LogoutRequest())

    assert refusal.error.reason == "NO_SESSION"


async def test_another_session_of_ones_own_is_ended_with_its_streams(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    lost, kept = await sign_in(house, nobody, ada, "lost phone"), await sign_in(house, nobody, ada, "laptop")
    end = RevokeSessionRequest(id=lost.session.id, request_id="once")

    async with by(house, lost) as finder, by(house, kept) as laptop:
        watch = finder.threads.WatchThreads(WatchThreadsRequest())
        assert (await anext(aiter(watch))).WhichOneof("change") == "synced"

        assert await laptop.users.RevokeSession(end) == await laptop.users.RevokeSession(end)

        with refused(StatusCode.UNAUTHENTICATED) as cut:
            async for _ in watch:
                pass
        with refused(StatusCode.UNAUTHENTICATED) as access:
            await finder.users.GetUser(ME)
        assert await laptop.users.GetUser(ME)
    assert cut.error.reason == access.error.reason == "SIGN_IN_ENDED"


async def test_another_persons_session_is_not_there(nobody: UsersServiceAsyncStub, house: House, ada: str) -> None:
    adas = await sign_in(house, nobody, ada)
    grace = await plant_account(house, "grace@example.org")

    async with by(house, await sign_in(house, nobody, grace)) as person:
        for id in (adas.session.id, "session_of_nobody"):
            with refused(StatusCode.NOT_FOUND) as refusal:
                await person.users.RevokeSession(RevokeSessionRequest(id=id))
            assert refusal.error.text == f"session {id!r} not found"
        listed = (await person.users.ListSessions(ListSessionsRequest())).sessions

    assert [session.user_id for session in listed] == [grace]
    assert await nobody.RefreshSession(RefreshSessionRequest(refresh_token=adas.refresh_token))


async def test_sessions_are_listed_newest_first_page_by_page_without_those_that_are_over(
    nobody: UsersServiceAsyncStub, house: House, ada: str
) -> None:
    earlier = [session_of(ada, age=number * 1000) for number in (1, 2, 3)]
    await plant(house, "users", SESSIONS, *earlier, session_of(ada, age=2 * DAY, life=DAY))
    current = await sign_in(house, nobody, ada)

    async with by(house, current) as person:
        request = ListSessionsRequest(page_size=2)
        first = await person.users.ListSessions(request)
        request.page_token = first.next_page_token
        second = await person.users.ListSessions(request)
        request.page_token = second.next_page_token
        third = await person.users.ListSessions(request)

    listed = [*first.sessions, *second.sessions]
    assert [session.id for session in listed] == [current.session.id, *(session.id for session in earlier)]
    assert [session.is_current for session in listed] == [True, False, False, False]
    assert (list(third.sessions), third.next_page_token) == ([], "")
