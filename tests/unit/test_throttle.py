"""How long logins have to wait after failures, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.retention import Retention
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.errors import Exhausted
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query
from services.users.collections import COLLECTIONS, LOGIN_ATTEMPTS
from services.users.throttle import Attempt, Throttle
from tests.unit.replicas import HeldClock

HOUR = 3_600_000


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def documents(clock: HeldClock) -> Documents:
    store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
    return Documents(store, clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


@pytest.fixture
def throttle(documents: Documents) -> Throttle:
    return Throttle(documents, failures=3, longest_wait=10)


async def wait_of(throttle: Throttle, account: str = "ada", address: str = "") -> float:
    """Seconds that an attempt is told to wait; 0 where it is let through."""
    try:
        await throttle.begin(account, address)
    except Exhausted as error:
        return error.retry_after or 0
    return 0


async def succeed(documents: Documents, throttle: Throttle, attempt: Attempt) -> None:
    await documents.unit(lambda unit: throttle.succeeded(unit, attempt))


async def test_the_wait_doubles_with_every_further_failure_up_to_the_longest(
    throttle: Throttle, clock: HeldClock
) -> None:
    for _ in range(3):
        assert await wait_of(throttle) == 0

    waits = []
    for _ in range(6):
        assert await wait_of(throttle) == 0
        waits.append(await wait_of(throttle))
        clock.now += int(waits[-1] * 1000)

    assert waits == [1, 2, 4, 8, 10, 10]


async def test_an_attempt_that_comes_too_early_makes_the_wait_no_longer(throttle: Throttle, clock: HeldClock) -> None:
    for _ in range(4):
        await throttle.begin("ada")
    for _ in range(100):
        with pytest.raises(Exhausted) as refused:
            await throttle.begin("ada")
        assert (refused.value.reason, refused.value.retry_after) == ("LOGIN_THROTTLED", 1)
    clock.now += 400

    assert await wait_of(throttle) == 0.6


async def test_of_many_guesses_at_the_same_moment_no_more_are_let_through_than_one_after_another(
    documents: Documents, throttle: Throttle
) -> None:
    # A throttle as another process has it, over the same documents.
    elsewhere = Throttle(documents, failures=3, longest_wait=10)

    waits = await asyncio.gather(*(wait_of(place) for place in (throttle, elsewhere) for _ in range(20)))

    assert sorted(waits) == [0] * 4 + [1] * 36


async def test_accounts_wait_each_for_itself(throttle: Throttle) -> None:
    for _ in range(4):
        await throttle.begin("ada")

    assert await wait_of(throttle, "ada") == 1
    assert await wait_of(throttle, "grace") == 0


async def test_an_address_has_ten_times_as_many_failures_whichever_accounts_it_tries(
    throttle: Throttle, clock: HeldClock
) -> None:
    for number in range(31):
        assert await wait_of(throttle, f"name {number}", "192.0.2.1") == 0

    assert await wait_of(throttle, "another name", "192.0.2.1") == 1
    assert await wait_of(throttle, "another name", "192.0.2.2") == 0
    clock.now += 1000
    assert await wait_of(throttle, "another name", "192.0.2.1") == 0
    assert await wait_of(throttle, "another name", "192.0.2.1") == 2


async def test_a_success_ends_the_accounts_waits_and_takes_itself_alone_from_the_addresss(
    documents: Documents, throttle: Throttle, clock: HeldClock
) -> None:
    for _ in range(4):
        await throttle.begin("ada", "192.0.2.1")
    clock.now += 1000

    await succeed(documents, throttle, await throttle.begin("ada", "192.0.2.1"))

    [from_address] = await documents.query(Query.by_id(LOGIN_ATTEMPTS))
    assert from_address.id.startswith("address:")
    assert from_address.failures == 4
    assert await wait_of(throttle, "ada") == 0


async def test_a_success_from_an_address_that_had_to_wait_makes_nobody_wait(
    documents: Documents, throttle: Throttle, clock: HeldClock
) -> None:
    for number in range(31):
        await throttle.begin(f"name {number}", "192.0.2.1")
    clock.now += 1000

    for _ in range(3):
        await succeed(documents, throttle, await throttle.begin("ada", "192.0.2.1"))

    assert await wait_of(throttle, "grace", "192.0.2.1") == 0


async def test_failures_are_forgotten_an_hour_after_the_last_wait(
    documents: Documents, throttle: Throttle, clock: HeldClock
) -> None:
    for _ in range(4):
        await throttle.begin("ada")

    clock.now += 1000 + HOUR - 1
    await Retention(documents, (LOGIN_ATTEMPTS,)).remove_expired()
    assert len(await documents.query(Query.by_id(LOGIN_ATTEMPTS))) == 1
    clock.now += 1
    for _ in range(4):
        assert await wait_of(throttle) == 0
    assert await wait_of(throttle) == 1

    clock.now += 1000 + HOUR
    await Retention(documents, (LOGIN_ATTEMPTS,)).remove_expired()
    assert await documents.query(Query.by_id(LOGIN_ATTEMPTS)) == []
