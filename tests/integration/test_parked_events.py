"""An event that is refused again and again is parked: in sight, in nobody's way but its aggregate's, until a replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from llmchat.events.v1.events_service_pb2 import ListEventsRequest, ReplayEventRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.operations_service_pb2 import CheckIntegrityRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest

from libs.common.documents.system import OUTBOX
from services.threads.collections import THREADS
from tests.integration.calling import SignedIn, eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.watching import watch

# No generation can be added to it.
FULL = 2**63 - 1
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def operator(house: House) -> AsyncIterator[SignedIn]:
    """Whoever holds the installation's key, looking at events."""
    async with aio.insecure_channel(house.address) as channel:
        yield SignedIn(EventsServiceStub(channel), house.process.tokens.issue_user("operator", True)[0])


async def test_a_parked_event_is_in_sight_and_blocks_its_own_aggregate_until_it_is_replayed(
    house: House, anna: Person, operator: SignedIn
) -> None:
    bad, good = [await new_thread(anna) for _ in range(2)]
    await set_total(house, bad, FULL)
    await ask(anna, bad)
    await about_to_be_parked(house, operator)
    (parked,) = await eventually(partial(unsettled, operator, parked_only=True), len)
    assert (parked.type, parked.aggregate_id, list(parked.waiting_for)) == ("generation.finished", bad, ["threads"])
    assert parked.attempts == 20
    assert parked.HasField("parked_at")

    await ask(anna, bad)
    await ask(anna, good)
    await eventually(partial(total, anna, good), lambda total: total == 2)
    first, second = await eventually(partial(unsettled, operator), lambda events: len(events) == 2)
    assert (first.id, second.aggregate_id, second.attempts, second.is_parked) == (parked.id, bad, 0, False)
    await in_health(house, "messages", NOT_SERVING)
    await in_health(house, "threads", SERVING)

    await set_total(house, bad, 0)
    replayed = await operator.ReplayEvent(ReplayEventRequest(id=parked.id))
    assert (replayed.id, replayed.is_parked, replayed.attempts) == (parked.id, False, 0)
    await eventually(partial(total, anna, bad), lambda total: total == 4)
    await eventually(partial(unsettled, operator), lambda events: not events)
    await in_health(house, "messages", SERVING)


async def test_parked_events_are_in_sight_after_a_restart_and_in_a_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path) as house:
        parked = OutboxEvent(id="event_1.messages", type="generation.finished", is_parked=True, waiting_for=["threads"])
        await plant(house, "messages", OUTBOX, parked)
        await in_health(house, "messages", NOT_SERVING)
    async with open_house(tmp_path) as house, aio.insecure_channel(house.address) as channel:
        await in_health(house, "messages", NOT_SERVING)
        operator = SignedIn(OperationsServiceStub(channel), house.process.tokens.issue_user("operator", True)[0])
        *_, last = [step async for step in operator.CheckIntegrity(CheckIntegrityRequest())]
        assert (last.summary.unsettled_events, last.summary.parked_events) == (1, 1)


async def test_only_an_administrator_lists_and_replays_events_and_operations_counts_them(
    house: House, anna: Person
) -> None:
    tokens = house.process.tokens
    async with aio.insecure_channel(house.address) as channel:
        stub = EventsServiceStub(channel)
        with refused(StatusCode.UNAUTHENTICATED):
            await stub.ListEvents(ListEventsRequest(owner="threads"))
        for token, _ in (
            tokens.issue_user(anna.user_id, False),
            tokens.issue_service("messages", "", False),
            tokens.issue_service("messages", "operator", True),
        ):
            with refused(StatusCode.PERMISSION_DENIED):
                await SignedIn(stub, token).ListEvents(ListEventsRequest(owner="threads"))
            with refused(StatusCode.PERMISSION_DENIED):
                await SignedIn(stub, token).ReplayEvent(ReplayEventRequest(id="event_1.threads"))
        operations = SignedIn(stub, tokens.issue_service("operations", "operator", True)[0])
        await operations.ListEvents(ListEventsRequest(owner="threads"))
        with refused(StatusCode.PERMISSION_DENIED):
            await operations.ReplayEvent(ReplayEventRequest(id="event_1.threads"))


async def test_an_event_or_service_that_is_not_there_is_not_found(operator: SignedIn) -> None:
    with refused(StatusCode.NOT_FOUND):
        await operator.ReplayEvent(ReplayEventRequest(id="event_1.threads"))
    with refused(StatusCode.NOT_FOUND):
        await operator.ReplayEvent(ReplayEventRequest(id="event_1.nonsense"))
    with refused(StatusCode.NOT_FOUND):
        await operator.ListEvents(ListEventsRequest(owner="nonsense"))


async def new_thread(person: Person) -> str:
    return (await person.threads.CreateThread(CreateThreadRequest(title="A thread"))).id


async def ask(person: Person, thread_id: str) -> None:
    request = SendMessageRequest(thread_id=thread_id, model_id="echo", content="Are you there?")
    assert (await watch(person.messages.SendMessage(request))).ended


async def total(person: Person, thread_id: str) -> int:
    return (await person.threads.GetThread(GetThreadRequest(id=thread_id))).total_messages


async def set_total(house: House, thread_id: str, messages: int) -> None:
    """Sets how many messages a thread has."""
    thread = await (await documents_of(house, "threads")).get(THREADS, thread_id)
    thread.total_messages = messages
    await plant(house, "threads", THREADS, thread)


async def unsettled(operator: SignedIn, **fields: Any) -> list[OutboxEvent]:
    return list((await operator.ListEvents(ListEventsRequest(owner="messages", **fields))).events)


async def about_to_be_parked(house: House, operator: SignedIn) -> None:
    """Has the event that has just failed have failed nineteen times: its pauses add up to minutes."""
    (event,) = await eventually(partial(unsettled, operator), lambda events: events and events[0].attempts)
    event.attempts = 19
    event.ClearField("next_attempt_at")
    await plant(house, "messages", OUTBOX, event)


async def in_health(house: House, owner: str, status: int) -> None:
    """Returns once health says so of a service's events."""
    async with aio.insecure_channel(house.address) as channel:
        request = health_pb2.HealthCheckRequest(service=f"llmchat.events.{owner}")
        async for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=30):
            if answer.status == status:
                return
