"""The audit log: appended by events of all services, read by administrators."""

from __future__ import annotations

from typing import Any, Literal

from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest, ListAuditEventsResponse

from libs.common.audit import ACTIONS
from libs.common.clock import milliseconds
from libs.common.documents.documents import Documents
from libs.common.documents.pages import Page, PageAnswer
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid
from libs.common.store.port import Cursor, Query
from services.operations.collections import AUDIT_LOGS

_PAGE_SIZE = 50
# From the year 1 to the end of 9999, in seconds of the epoch, which is what a Timestamp may hold.
_SECONDS = range(-62_135_596_800, 253_402_300_800)
_NANOS = range(1_000_000_000)


async def append(unit: Unit, event: AuditEvent) -> None:
    """Stages the entry; one that is there stays as it is."""
    if await unit.find(AUDIT_LOGS, event.id) is None:
        unit.create(AUDIT_LOGS, event)


async def list_audit_events(documents: Documents, request: ListAuditEventsRequest) -> PageAnswer:
    """A page of the log, newest first.

    Raises:
        Invalid: the filters do not go together, there is no such action or moment, or the page token is not one that
            this list gave this caller.
    """
    equals = _equals(request)
    since = _moment(request, "since")
    until = _moment(request, "until")
    if request.count_total and (since is not None or until is not None):
        raise Invalid.field("count_total", "cannot be asked for together with a time")
    query = Query.where(
        AUDIT_LOGS,
        order="at",
        descending=True,
        # Before the newest of the last millisecond that is before the moment.
        after=None if until is None else Cursor(until - 1, ""),
        limit=request.page_size or _PAGE_SIZE,
        **equals,
    )
    page = await documents.page(query, request.page_token, count=request.count_total)
    if since is not None:
        page = _cut(page, since)
    return page.answer(ListAuditEventsResponse, "audit_events")


def _equals(request: ListAuditEventsRequest) -> dict[str, Any]:
    names = ("user_id", "entity_type", "entity_id", "action")
    equals = {name: getattr(request, name) for name in names if getattr(request, name)}
    if request.action and request.action not in ACTIONS:
        raise Invalid.field("action", "is not an action that is audited")
    if bool(request.entity_type) != bool(request.entity_id):
        raise Invalid.field("entity_id" if request.entity_type else "entity_type", "goes with the other of the two")
    if request.entity_id and len(equals) > 2:
        raise Invalid.field("entity_id", "an entity cannot be combined with a user or an action")
    return equals


def _cut(page: Page[AuditEvent], since: int) -> Page[AuditEvent]:
    """The page without what is older than `since`, and its end where there is something older."""
    kept = [stored for stored in page.stored if milliseconds(stored.message.at) >= since]
    return page if len(kept) == len(page.stored) else Page(kept, "", page.total)


def _moment(request: ListAuditEventsRequest, field: Literal["since", "until"]) -> int | None:
    """The first whole millisecond of the epoch that is not before the moment; None where none is given."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    if stamp.seconds not in _SECONDS or stamp.nanos not in _NANOS:
        raise Invalid.field(field, "is not a time from the year 1 to 9999")
    return stamp.seconds * 1000 - (-stamp.nanos // 1_000_000)
