"""The audit log: who did what that is sensitive, appended once, never changed, and read by administrators alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from llmchat.catalog.v1.catalog_service_pb2 import DeprecateModelRequest
from llmchat.events.v1.events_pb2 import AuditRecorded
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest, ListAuditEventsResponse
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest, LoginRequest

from libs.common.audit import ACTIONS
from libs.common.clock import timestamp
from libs.common.documents.system import OUTBOX
from services.operations.collections import AUDIT_LOGS
from tests.integration.accounts import administrator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, open_house
from tests.integration.planting import plant
from tests.integration.tables import bodies, tables
from tests.standins.accounts import ADA, PASSWORD, registration

# Of the entries that tests put into the log themselves, in milliseconds of the epoch.
NOON = 1_700_000_000_000


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """Who may read the log."""
    async with administrator(house) as root:
        yield root


def entry(number: int, **fields: Any) -> AuditEvent:
    """What was done `number` milliseconds after noon."""
    return AuditEvent(id=f"audit_{number:03}", at=timestamp(NOON + number), **{"action": "user.login", **fields})


async def listed(root: Person, **filters: Any) -> ListAuditEventsResponse:
    return await root.operations.ListAuditEvents(ListAuditEventsRequest(**filters))


async def ids(root: Person, **filters: Any) -> list[str]:
    """All that the filters hold, page after page."""
    found: list[str] = []
    token = ""
    while True:
        page = await listed(root, page_token=token, **filters)
        found += [event.id for event in page.audit_events]
        token = page.next_page_token
        if not token:
            return found


async def test_what_an_administrator_does_is_on_record_once(house: House, root: Person) -> None:
    deprecate = DeprecateModelRequest(id="gpt-5-nano", replacement_id="gpt-5", request_id="once")
    await root.catalog.DeprecateModel(deprecate)
    await root.catalog.DeprecateModel(deprecate)
    # Deprecated already: nothing is done.
    await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano"))

    found = await eventually(lambda: listed(root), lambda found: found.audit_events)

    [event] = found.audit_events
    assert (event.actor, event.service, event.action) == (root.user_id, "catalog", "model.deprecate")
    assert (event.entity_type, event.entity_id, event.user_id) == ("model", "gpt-5-nano", "")
    assert list(event.changed_fields) == ["deprecated_at", "replacement_id", "status.is_available"]
    assert event.request_id
    assert event.HasField("at")
    assert not event.failure


async def test_what_is_refused_leaves_nothing(house: House, root: Person, anna: Person, tmp_path: Path) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await anna.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5"))
    with refused(StatusCode.NOT_FOUND):
        await root.catalog.DeprecateModel(DeprecateModelRequest(id="no-such-model"))

    assert not tables(tmp_path / "data", "catalog")["outbox"]
    assert await ids(root) == []


async def test_what_was_done_while_the_log_was_away_is_appended_later(tmp_path: Path) -> None:
    async with open_house(tmp_path, "catalog", "users") as house, administrator(house) as root:
        await root.catalog.DeprecateModel(DeprecateModelRequest(id="gpt-5-nano"))

    async with open_house(tmp_path):

        async def log() -> list[bytes]:
            return bodies(tmp_path, "operations", "audit_logs")

        [body] = await eventually(log, bool)
        assert AuditEvent.FromString(body).entity_id == "gpt-5-nano"


async def test_an_event_that_comes_again_is_appended_once(house: House, root: Person, tmp_path: Path) -> None:
    """Even if it says something else the second time."""
    for actor in ("first", "second"):
        payload = AnyMessage()
        payload.Pack(AuditRecorded(audit_event=entry(1, actor=actor)))
        event = OutboxEvent(
            id=f"event_{1:016x}{1:08x}.users",
            type="audit.recorded",
            aggregate_id="audit_001",
            payload=payload,
            waiting_for=["operations"],
        )
        await plant(house, "users", OUTBOX, event)

        async def unsettled() -> list[str]:
            return list(tables(tmp_path / "data", "users")["outbox"])

        await eventually(unsettled, lambda events: not events)

    assert [event.actor for event in (await listed(root)).audit_events] == ["first"]
    assert tables(tmp_path / "data", "operations")["audit_logs"] == {"audit_001": 1}


async def test_the_log_is_read_newest_first_page_by_page(house: House, root: Person) -> None:
    # Several of one moment, too.
    events = [AuditEvent(id=f"audit_{n:03}", at=timestamp(NOON + n // 3), action="user.login") for n in range(120)]
    await plant(house, "operations", AUDIT_LOGS, *events)
    newest_first = [event.id for event in reversed(events)]

    assert await ids(root) == newest_first
    assert await ids(root, page_size=7) == newest_first
    first = await listed(root)
    assert (len(first.audit_events), first.HasField("total_size")) == (50, False)
    assert (await listed(root, page_size=1, count_total=True)).total_size == 120


async def test_the_log_is_read_by_whom_by_what_and_by_how(house: House, root: Person) -> None:
    await plant(
        house,
        "operations",
        AUDIT_LOGS,
        entry(1, user_id="ada", action="user.login", entity_type="session", entity_id="s1"),
        entry(2, user_id="bob", action="user.login", entity_type="session", entity_id="s2"),
        entry(3, user_id="ada", action="session.delete", entity_type="session", entity_id="s1"),
        entry(4, user_id="ada", action="user.login", entity_type="access_key", entity_id="s1"),
    )

    assert await ids(root, user_id="ada") == ["audit_004", "audit_003", "audit_001"]
    assert await ids(root, action="user.login") == ["audit_004", "audit_002", "audit_001"]
    assert await ids(root, user_id="ada", action="user.login") == ["audit_004", "audit_001"]
    assert await ids(root, entity_type="session", entity_id="s1") == ["audit_003", "audit_001"]
    assert await ids(root, user_id="nobody") == []
    assert (await listed(root, user_id="ada", count_total=True)).total_size == 3


async def test_the_log_is_read_by_time(house: House, root: Person) -> None:
    await plant(house, "operations", AUDIT_LOGS, *(entry(n, user_id="ada" if n % 2 else "bob") for n in range(10)))

    def numbered(*numbers: int) -> list[str]:
        return [f"audit_{number:03}" for number in numbers]

    assert await ids(root, since=timestamp(NOON + 7)) == numbered(9, 8, 7)
    assert await ids(root, until=timestamp(NOON + 3)) == numbered(2, 1, 0)
    assert await ids(root, since=timestamp(NOON + 3), until=timestamp(NOON + 6)) == numbered(5, 4, 3)
    assert await ids(root, since=timestamp(NOON + 3), until=timestamp(NOON + 6), user_id="ada") == numbered(5, 3)
    assert await ids(root, since=timestamp(NOON + 2), until=timestamp(NOON + 8), page_size=2) == numbered(
        7, 6, 5, 4, 3, 2
    )
    assert await ids(root, since=timestamp(NOON + 6), until=timestamp(NOON + 6)) == []
    assert await ids(root, since=timestamp(NOON + 10)) == []


async def test_a_moment_counts_to_the_nanosecond(house: House, root: Person) -> None:
    await plant(house, "operations", AUDIT_LOGS, entry(1), entry(2))
    between = Timestamp(seconds=NOON // 1000, nanos=1_000_001)

    assert await ids(root, since=between) == ["audit_002"]
    assert await ids(root, until=between) == ["audit_001"]


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"action": "user.sneeze"}, "action"),
        ({"entity_type": "session"}, "entity_id"),
        ({"entity_id": "s1"}, "entity_type"),
        ({"entity_type": "session", "entity_id": "s1", "user_id": "ada"}, "entity_id"),
        ({"entity_type": "session", "entity_id": "s1", "action": "user.login"}, "entity_id"),
        ({"count_total": True, "since": Timestamp(seconds=1)}, "count_total"),
        ({"count_total": True, "until": Timestamp(seconds=1)}, "count_total"),
        ({"since": Timestamp(seconds=2**62)}, "since"),
        ({"until": Timestamp(nanos=-1)}, "until"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_size": 101}, "page_size"),
    ],
)
async def test_filters_that_cannot_be_followed_are_refused(root: Person, filters: dict[str, Any], field: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await listed(root, **filters)
    assert refusal.fields == {field}


async def test_only_administrators_read_it(anna: Person) -> None:
    with refused(StatusCode.PERMISSION_DENIED):
        await listed(anna)


async def test_the_log_outlives_a_person_and_says_nothing_of_them_but_their_id(
    house: House, root: Person, tmp_path: Path
) -> None:
    async with house.visit() as nobody:
        user = await nobody.users.CreateUser(registration())
        await nobody.users.Login(LoginRequest(username=ADA, password=PASSWORD))
        with refused(StatusCode.UNAUTHENTICATED):
            await nobody.users.Login(LoginRequest(username=ADA, password="another"))
    ada = await house.person(user.id)
    await ada.users.DeleteUser(DeleteUserRequest(id="me"))

    async def unsettled() -> list[str]:
        return [id for service in ("users", "operations") for id in tables(tmp_path / "data", service)["outbox"]]

    await eventually(unsettled, lambda events: not events)
    assert user.id not in tables(tmp_path / "data", "users")["users"]

    actions = {event.action for event in (await listed(root, user_id=user.id)).audit_events}
    assert "user.delete" in actions
    assert actions <= ACTIONS.keys()
    kept = bodies(tmp_path / "data", "operations", "audit_logs")
    for word in (ADA, user.display_name, PASSWORD, "another"):
        assert not [body for body in kept if word.encode() in body]
    assert set(tables(tmp_path / "data", "operations")["audit_logs"].values()) == {1}, "no entry was changed"
