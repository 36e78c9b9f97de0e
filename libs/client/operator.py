"""What an operator asks of a running system: whether its documents hold together, and which events wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import grpc.aio
from llmchat.events.v1.events_service_pb2 import ListEventsRequest, ReplayEventRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.operations.v1.operations_service_pb2 import CheckIntegrityRequest, CheckIntegrityResponse
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.client.authorization import of_token
from libs.client.calls import Calls, new_request_id
from libs.common.errors import NotFound
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.tls import Tls

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.events.v1.events_service_pb2_grpc import EventsServiceAsyncStub

_PAGE_SIZE = 100


class Operator:
    """A connection to all services in the name of an administrator, as an async context manager.

    Every method raises what the server answered as a DomainError.

    Args:
        addresses: Where each service listens, by its name; as of `Client`.
        token: An administrator's access token.
        tls: As of `Client`.
        timeout: Seconds that a call may take, repeats included.
    """

    def __init__(
        self, addresses: Mapping[str, str], *, token: str, tls: Tls | None = None, timeout: float = 10.0
    ) -> None:
        self._calls = Calls(of_token(token), timeout=timeout, tls=tls)
        self._operations = OperationsServiceStub(self._calls.channel(addresses["operations"], "operations"))
        self._events = {
            service: EventsServiceStub(self._calls.channel(place, service)) for service, place in addresses.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._calls.close()

    async def check(self, services: Sequence[str] = ()) -> AsyncIterator[CheckIntegrityResponse]:
        """The steps of a check of some services, all where none is named; the last one is the summary."""
        steps = self._calls.stream(self._operations.CheckIntegrity, CheckIntegrityRequest(services=services))
        try:
            async for step in steps:
                yield step
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            steps.cancel()

    async def events(self, owner: str, *, parked_only: bool = False) -> AsyncIterator[OutboxEvent]:
        """A service's events that a consumer has yet to handle."""
        request = ListEventsRequest(owner=owner, parked_only=parked_only, page_size=_PAGE_SIZE)
        async for page in self._calls.pages(self._events_of(owner).ListEvents, request):
            for event in page.events:
                yield event

    async def replay(self, event_id: str) -> OutboxEvent:
        """Has an event delivered again, with all of its attempts before it."""
        request = ReplayEventRequest(id=event_id, request_id=new_request_id())
        # An event's id ends with its owner's name.
        return await self._calls.unary(self._events_of(event_id.rpartition(".")[2]).ReplayEvent, request)

    def _events_of(self, owner: str) -> EventsServiceAsyncStub:
        if owner not in self._events:
            raise NotFound("service", owner)
        return self._events[owner]
