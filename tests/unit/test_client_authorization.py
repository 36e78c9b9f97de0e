"""A session is carried on by whichever call needs it first, once for all, in one process and in several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from llmchat.users.v1.session_pb2 import Session as ServerSession
from llmchat.users.v1.user_pb2 import User
from llmchat.users.v1.users_service_pb2 import LoginResponse, RefreshSessionRequest

from libs.client.authorization import Authorization
from libs.client.credentials import Credentials, KeptSession
from libs.client.session import Session
from libs.common.clock import timestamp
from libs.common.errors import Denied, Unauthenticated, Unavailable

NOW = 1_000_000_000_000
LIFE = 900_000
SERVERS_NOW = NOW + 7 * 3_600_000
EXPIRED = Unauthenticated("the access token has expired", reason="TOKEN_EXPIRED")


class StandInServer:
    """A stand-in for the users service: each refresh token is good once, a repeat of a request gets its answer again.

    `lost` answers do not arrive. Its clock is seven hours ahead of the client's.
    """

    def __init__(self) -> None:
        self.requests: list[RefreshSessionRequest] = []
        self.lost = 0
        self.is_over = False
        self._good = "refresh-0"
        self._answers: dict[tuple[str, str], LoginResponse] = {}

    async def refresh(self, request: RefreshSessionRequest) -> LoginResponse:
        self.requests.append(request)
        await asyncio.sleep(0)
        known = (request.refresh_token, request.request_id)
        if known not in self._answers:
            if request.refresh_token != self._good:
                self.is_over = True
            if self.is_over:
                raise Unauthenticated("the session has ended", reason="REFRESH_TOKEN_REUSED")
            self._answers[known] = answer(len(self._answers) + 1)
            self._good = self._answers[known].refresh_token
        if self.lost:
            self.lost -= 1
            raise Unavailable("a service cannot be reached")
        return self._answers[known]


def answer(number: int) -> LoginResponse:
    return LoginResponse(
        access_token=f"token-{number}",
        refresh_token=f"refresh-{number}",
        expires_at=timestamp(SERVERS_NOW + LIFE),
        user=User(username="ada@example.com"),
        session=ServerSession(last_used_at=timestamp(SERVERS_NOW)),
    )


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def server() -> StandInServer:
    return StandInServer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Session]:
    return []


@pytest.fixture
def ada(server: StandInServer, clock: Clock, told: list[Session]) -> Authorization:
    return Authorization(Session.opened(answer(0), NOW), server.refresh, on_session=told.append, clock=clock)


async def test_a_token_is_exchanged_half_a_minute_before_it_expires_whatever_the_servers_clock_says(
    ada: Authorization, clock: Clock, server: StandInServer, told: list[Session]
) -> None:
    clock.now = NOW + LIFE - 30_001
    assert await ada.token() == "token-0"

    clock.now += 1
    assert await ada.token() == "token-1"
    assert await ada.token() == "token-1"
    assert len(server.requests) == 1
    assert told == [ada.session]
    assert told[0].renew_at == clock.now + LIFE - 30_000


async def test_of_many_calls_one_exchanges_the_token_and_the_others_wait(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE

    tokens = await asyncio.gather(*(ada.token() for _ in range(50)))

    assert set(tokens) == {"token-1"}
    assert len(server.requests) == 1


async def test_of_many_calls_that_are_refused_one_exchanges_the_token(
    ada: Authorization, server: StandInServer
) -> None:
    token = await ada.token()

    assert all(await asyncio.gather(*(ada.renewed(token, EXPIRED) for _ in range(50))))

    assert await ada.token() == "token-1"
    assert len(server.requests) == 1


async def test_an_exchange_whose_answer_was_lost_is_repeated_as_the_same_request(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    server.lost = 2

    for _ in range(2):
        with pytest.raises(Unavailable):
            await ada.token()

    assert await ada.token() == "token-1"
    assert not server.is_over
    assert server.requests == [server.requests[0]] * 3


async def test_of_many_calls_none_waits_for_longer_than_one_exchange(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    server.lost = 1

    failures = await asyncio.gather(*(ada.token() for _ in range(50)), return_exceptions=True)

    assert {type(failure) for failure in failures} == {Unavailable}
    assert len(server.requests) == 1
    assert await ada.token() == "token-1"


async def test_where_one_call_is_cancelled_another_exchanges_the_token(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    first, *others = [asyncio.create_task(ada.token()) for _ in range(3)]
    while not server.requests:
        await asyncio.sleep(0)
    first.cancel()

    assert await asyncio.gather(*others) == ["token-1"] * 2
    assert server.requests == [server.requests[0]] * 2


async def test_a_sign_in_while_a_token_is_exchanged_is_not_undone(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    exchanging = asyncio.create_task(ada.token())
    while not server.requests:
        await asyncio.sleep(0)
    await ada.enter(answer(7))

    assert await exchanging == "token-7"
    assert await ada.token() == "token-7"


async def test_an_exchange_that_was_cancelled_is_repeated_as_the_same_request(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    cancelled = asyncio.create_task(ada.token())
    while not server.requests:
        await asyncio.sleep(0)
    cancelled.cancel()

    assert await ada.token() == "token-1"
    assert not server.is_over
    assert server.requests == [server.requests[0]] * 2


async def test_each_exchange_is_a_request_of_its_own(ada: Authorization, clock: Clock, server: StandInServer) -> None:
    for _ in range(3):
        clock.now += LIFE
        await ada.token()

    assert [request.refresh_token for request in server.requests] == ["refresh-0", "refresh-1", "refresh-2"]
    assert len({request.request_id for request in server.requests} - {""}) == 3


async def test_a_session_that_has_ended_is_not_asked_for_again(
    ada: Authorization, clock: Clock, server: StandInServer
) -> None:
    clock.now = NOW + LIFE
    server.is_over = True

    with pytest.raises(Unauthenticated, match="the session has ended"):
        await ada.token()

    # The server has the last word on the calls that follow.
    assert await ada.token() == "token-0"
    assert not await ada.renewed("token-0", EXPIRED)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "failure", [Unauthenticated("the sign-in has ended", reason="SIGN_IN_ENDED"), Denied("not allowed")]
)
async def test_another_refusal_is_no_reason_to_exchange_the_token(
    ada: Authorization, server: StandInServer, failure: Unauthenticated | Denied
) -> None:
    assert not await ada.renewed(await ada.token(), failure)
    assert server.requests == []


async def test_a_bare_token_is_good_for_as_long_as_it_is(server: StandInServer, clock: Clock) -> None:
    bare = Authorization(Session("", "a-token"), server.refresh, clock=clock)
    clock.now += 10 * LIFE

    assert await bare.token() == "a-token"
    assert not await bare.renewed("a-token", EXPIRED)
    assert server.requests == []


class Shared:
    """A session that several clients go on with: a stand-in for a file, or for a table of one's own."""

    def __init__(self, kept: Session | None) -> None:
        self.kept = kept

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Session | None]:
        yield self.kept

    def put(self, session: Session) -> None:
        self.kept = session


async def test_what_another_process_has_exchanged_is_taken_over(server: StandInServer, clock: Clock) -> None:
    mine = Session.opened(answer(0), NOW)
    theirs = Session.opened(await server.refresh(request_of(mine)), NOW + LIFE)
    shared = Shared(theirs)
    ada = Authorization(mine, server.refresh, on_session=shared.put, shared=shared.alone, clock=clock)
    clock.now = NOW + LIFE

    assert await ada.token() == "token-1"
    assert len(server.requests) == 1
    assert shared.kept == theirs

    clock.now += LIFE
    assert await ada.token() == "token-2"
    assert shared.kept == ada.session
    assert not server.is_over


@pytest.mark.parametrize("kept", [None, Session("bob@example.com", "bobs-token")], ids=["nobody", "bob"])
async def test_who_is_signed_in_there_by_now_is_left_alone(
    server: StandInServer, clock: Clock, kept: Session | None
) -> None:
    shared = Shared(kept)
    ada = Authorization(
        Session.opened(answer(0), NOW), server.refresh, on_session=shared.put, shared=shared.alone, clock=clock
    )
    clock.now = NOW + LIFE

    assert await ada.token() == "token-1"
    assert shared.kept == kept


async def test_two_that_share_a_file_exchange_the_token_once(
    server: StandInServer, clock: Clock, tmp_path: Path
) -> None:
    session = Session.opened(answer(0), NOW)
    file = KeptSession(Credentials(tmp_path / "credentials.json"), "here:1")
    file.put(session)
    both = [
        Authorization(replace(session), server.refresh, on_session=file.put, shared=file.shared, clock=clock)
        for _ in range(2)
    ]

    for number in range(1, 4):
        clock.now += LIFE
        assert await asyncio.gather(*(one.token() for one in both)) == [f"token-{number}"] * 2

    assert len(server.requests) == 3
    assert file.get() == both[0].session == both[1].session


def request_of(session: Session) -> RefreshSessionRequest:
    return RefreshSessionRequest(refresh_token=session.refresh_token, request_id=session.refresh_id)
