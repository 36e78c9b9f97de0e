"""Statistics: kept from events, equal to a recount, and the same however often an event comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.stored.v1.system_pb2 import DayCounts, StatsShard
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED
from llmchat.operations.v1.operations_service_pb2 import GetOperationRequest, GetSystemStatsRequest
from llmchat.operations.v1.system_stats_pb2 import DailyStats, SystemStats
from llmchat.store.v1.outbox_pb2 import OutboxEvent, PublishedEvent
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, DeleteThreadRequest
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.common.documents.system import OUTBOX
from libs.common.events.bus import Delivery
from libs.common.events.outbox import event_channel
from libs.common.events.subscription import subscribed
from libs.common.events.table import EVENTS
from libs.common.settings import SERVICES
from libs.common.store.port import Query
from services.operations.collections import DAY_COUNTS, STATS
from tests.integration.accounts import administrator, operator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.recount import Recount, StoredIn
from tests.integration.watching import watch
from tests.standins.accounts import registration

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """An administrator without an account: nobody counts them."""
    async with operator(house) as root:
        yield root


async def register(house: House, username: str) -> Person:
    async with house.visit() as nobody:
        return await house.person((await nobody.users.CreateUser(registration(username))).id)


async def talk(person: Person, *questions: str) -> str:
    """A thread with these questions, each answered by as many words."""
    thread = await person.threads.CreateThread(CreateThreadRequest(title="t"))
    for question in questions:
        await watch(
            person.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="echo", content=question))
        )
    return thread.id


async def stats_of(root: Person, days: int = 0) -> SystemStats:
    return await root.operations.GetSystemStats(GetSystemStatsRequest(days=days))


async def unsettled(house: House) -> list[OutboxEvent]:
    found: list[OutboxEvent] = []
    for service in SERVICES:
        found += await (await documents_of(house, service)).query(Query.by_id(OUTBOX))
    return found


async def settled(house: House) -> None:
    """Returns once every event is handled."""
    await eventually(partial(unsettled, house), lambda events: not events)


def recount(tmp_path: Path, *keepers: Person) -> list[str]:
    return Recount(StoredIn(tmp_path / "data").read).wrong([person.user_id for person in keepers])


async def test_what_there_is_and_what_was_done_is_added_up(house: House, root: Person, tmp_path: Path) -> None:
    nothing = await stats_of(root)
    assert (nothing.total_users, nothing.total_threads, nothing.total_messages) == (0, 0, 0)

    ada, bob = [await register(house, f"{name}@example.org") for name in ("ada", "bob")]
    await talk(ada, "one two three", "four")
    await talk(bob, "five six")
    await settled(house)

    stats = await stats_of(root)
    assert (stats.total_users, stats.total_threads, stats.total_messages) == (2, 2, 6)
    assert set(stats.model_usage) == {"echo"}
    echo = stats.model_usage["echo"]
    assert (echo.total_calls, echo.error_rate, echo.total_tokens) == (3, 0, stats.total_tokens_processed)
    # Six words were said again; the contexts come on top.
    assert stats.total_tokens_processed > 6
    today = stats.daily_stats[0]
    assert (today.new_users, today.new_threads, today.messages_generated) == (2, 2, 3)
    assert today.tokens_processed == stats.total_tokens_processed
    assert stats.HasField("updated_at")
    assert recount(tmp_path, ada, bob) == []


async def test_what_is_deleted_is_not_there_and_was_done_all_the_same(
    house: House, root: Person, tmp_path: Path
) -> None:
    ada, bob = [await register(house, f"{name}@example.org") for name in ("ada", "bob")]
    gone = await talk(ada, "one two three")
    await talk(ada, "four", "five")
    await talk(bob, "six")
    await settled(house)
    before = await stats_of(root)

    await ada.threads.DeleteThread(DeleteThreadRequest(id=gone))
    await settled(house)
    assert (await stats_of(root)).total_messages == before.total_messages - 2
    assert recount(tmp_path, bob) == []

    operation = await ada.users.DeleteUser(DeleteUserRequest(id="me"))
    await eventually(
        lambda: root.operations.GetOperation(GetOperationRequest(id=operation.id)),
        lambda operation: operation.status == OPERATION_STATUS_COMPLETED,
    )
    await settled(house)
    after = await stats_of(root)
    assert (after.total_users, after.total_threads, after.total_messages) == (1, 1, 2)
    assert after.total_tokens_processed == before.total_tokens_processed
    assert after.model_usage == before.model_usage
    assert [day.messages_generated for day in after.daily_stats] == [4]
    assert recount(tmp_path, bob) == []


async def test_an_event_that_comes_again_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    # All of them come by the bus, once.
    opened = open_house(tmp_path / "data", pull_interval=600, redelivery_interval=600)
    async with opened as house, operator(house) as root:
        seen = await events_of_a_life(house)
        before = await stats_of(root)

        async with subscribed(house.process.bus, "acknowledged to the test") as acknowledgements:
            for event in seen:
                event.waiting_for[:] = EVENTS[event.type].consumers
                published = PublishedEvent(event=event, acknowledge_to="acknowledged to the test")
                house.process.bus.publish(event_channel(event.type), published.SerializeToString())
            for _ in range(sum(len(event.waiting_for) for event in seen)):
                await anext(acknowledgements)

        assert await stats_of(root) == before
        assert recount(tmp_path) == []


async def events_of_a_life(house: House) -> list[OutboxEvent]:
    """Events of all types that are counted, which have been handled."""
    types = ("user.created", "thread.created", "generation.counted", "messages.removed", "thread.deleted")
    seen: dict[str, OutboxEvent] = {}
    async with subscribed(house.process.bus, *map(event_channel, types)) as items:
        ada = await register(house, "ada@example.org")
        thread_id = await talk(ada, "one two")
        await talk(ada, "three")
        await ada.threads.DeleteThread(DeleteThreadRequest(id=thread_id))
        async for item in items:
            if isinstance(item, Delivery):
                event = PublishedEvent.FromString(item.payload).event
                seen[event.id] = event
            if {event.type for event in seen.values()} == set(types):
                break
    await settled(house)
    return list(seen.values())


async def test_days_are_shown_newest_first_and_no_further_back_than_asked_for(house: House, root: Person) -> None:
    days = [
        DayCounts(id=f"{date}.{shard}", new_users=1, api_calls=10)
        for date in ("2020-02-29", TODAY)
        for shard in range(8)
    ]
    await plant(house, "operations", DAY_COUNTS, *days)
    await plant(
        house, "operations", STATS, StatsShard(id="stats.7", cost_nanos=5), StatsShard(id="stats.0", cost_nanos=2)
    )

    stats = await stats_of(root, days=1)
    assert list(stats.daily_stats) == [DailyStats(date=TODAY, new_users=8, api_calls=80)]
    assert stats.total_cost_nanos == 7
    with refused(StatusCode.INVALID_ARGUMENT):
        await stats_of(root, days=367)


async def test_calls_are_told_of_at_an_orderly_stop_and_those_of_services_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path) as house:
        anna = await house.person()
        # A call that opens the thread, and one whose answer takes calls between services.
        await talk(anna, "one two three")
        await settled(house)
    async with open_house(tmp_path) as house, administrator(house) as root:
        stats = await eventually(partial(stats_of, root), lambda stats: stats.daily_stats[0].api_calls)
        assert stats.daily_stats[0].api_calls == 2


async def test_only_administrators_see_them(house: House, anna: Person) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await stats_of(anna)
