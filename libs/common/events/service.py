"""The RPCs of `llmchat.events.v1.EventsService`, for the services that a process runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeVar

from llmchat.events.v1.events_service_pb2 import (
    CheckServiceRequest,
    CheckServiceResponse,
    ListEventsRequest,
    ListEventsResponse,
    PullEventsRequest,
    PullEventsResponse,
    ReplayEventRequest,
)
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer
from libs.common.documents.system import OUTBOX
from libs.common.documents.unit import Unit
from libs.common.errors import Denied, NotFound
from libs.common.events.outbox import Outbox, owner_of
from libs.common.store.port import Query

T = TypeVar("T")
_PAGE_SIZE = 50


class EventsService:
    """The events of this process, by the service that owns them."""

    def __init__(self) -> None:
        self._documents: dict[str, Documents] = {}
        self._outboxes: dict[str, Outbox] = {}

    def add(self, owner: str, documents: Documents) -> None:
        """Serves the list of a service's events, for which the service need not emit any."""
        self._documents[owner] = documents

    def add_outbox(self, owner: str, outbox: Outbox) -> None:
        """Serves a service's events to their consumers."""
        self._outboxes[owner] = outbox

    async def PullEvents(self, request: PullEventsRequest, call: Call) -> PullEventsResponse:
        """Takes acknowledgements in, then gives what is due.

        Raises:
            Denied: the caller is not the consumer that it asks for.
            NotFound: the owner's events are not served here.
        """
        if call.caller.service != request.consumer:
            raise Denied("a consumer asks for its own events only")
        outbox = _of(request.owner, self._outboxes)
        if any(acknowledgement.consumer != request.consumer for acknowledgement in request.acknowledgements):
            raise Denied("a consumer acknowledges for itself only")
        await outbox.acknowledge(request.acknowledgements)
        events, next_after_id = await outbox.pending(request.consumer, request.after_id)
        return PullEventsResponse(events=events, next_after_id=next_after_id)

    async def ListEvents(self, request: ListEventsRequest, call: Call) -> PageAnswer:
        """A page of what is unsettled.

        Raises:
            NotFound: the owner's events are not served here.
            Invalid: the page token is not one that this list gave this caller.
        """
        documents = _of(request.owner, self._documents)
        limit = request.page_size or _PAGE_SIZE
        if request.parked_only:
            query = Query.where(OUTBOX, order="next_attempt_at", is_parked=True, limit=limit)
        else:
            query = Query.by_id(OUTBOX, limit=limit)
        page = await documents.page(query, request.page_token, count=request.count_total)
        return page.answer(ListEventsResponse, "events")

    async def CheckService(self, request: CheckServiceRequest, call: Call) -> CheckServiceResponse:
        """How the service's store answers, and what waits in its outbox.

        Raises:
            NotFound: the service is not served here.
            Unavailable: its store does not answer.
        """
        documents = _of(request.service, self._documents)
        begun = time.perf_counter()
        await documents.store.get(OUTBOX, "any")
        took = time.perf_counter() - begun
        parked = await documents.store.count(Query.where(OUTBOX, order="next_attempt_at", is_parked=True))
        waiting = await documents.store.count(Query.where(OUTBOX, order="next_attempt_at", is_parked=False))
        return CheckServiceResponse(
            store_latency_ms=took * 1000, unsettled_events=parked + waiting, parked_events=parked
        )

    async def ReplayEvent(self, request: ReplayEventRequest, call: Call) -> OutboxEvent:
        """Delivers an event again.

        Raises:
            NotFound: there is no such event, or its owner is not served here.
        """
        owner = owner_of(request.id)
        outbox, documents = _of(owner, self._outboxes), _of(owner, self._documents)

        async def replay(unit: Unit) -> OutboxEvent:
            return await outbox.replay(unit, request.id)

        return await documents.once(call, request, OutboxEvent, replay)


def _of(owner: str, served: Mapping[str, T]) -> T:
    if owner not in served:
        raise NotFound("service", owner)
    return served[owner]
