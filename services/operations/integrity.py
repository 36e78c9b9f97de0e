"""The check of all services: what their documents refer to, and which of that is not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from typing import NamedTuple

from llmchat.events.v1.events_service_pb2 import ListEventsRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.integrity.v1.integrity_service_pb2 import (
    FindMissingRequest,
    ScanReferencesRequest,
    ScanReferencesResponse,
)
from llmchat.integrity.v1.integrity_service_pb2_grpc import IntegrityServiceStub
from llmchat.operations.v1.operations_service_pb2 import CheckIntegrityResponse, CheckProgress, CheckSummary, Orphan

from libs.common.errors import Invalid
from libs.common.integrity.kinds import KINDS
from libs.common.rpc.channels import Channels
from services.operations.asking import asking

_SERVICES = tuple(dict.fromkeys(KINDS.values()))
# Documents or ids that a service is asked for at once.
_AT_ONCE = 200
# How many are kept before they are looked at again.
_MOST_SUSPECTS = 1000


class _Suspect(NamedTuple):
    service: str
    collection: str
    id: str
    kind: str
    missing_id: str


class IntegrityCheck:
    """Who refers to what is not there is a suspect, and an orphan if that is still so at a second, later look.

    What a cascade removes in between is none.
    """

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def run(self, services: Sequence[str]) -> AsyncGenerator[CheckIntegrityResponse, None]:
        """Progress with each page, orphans as they are found, the summary at the end.

        Args:
            services: whose documents are checked; empty: all.

        Raises:
            Invalid: there is no such service.
            Unavailable: a service is away.
        """
        if unknown := sorted(set(services) - set(_SERVICES)):
            raise Invalid.field("services", f"no such service: {', '.join(unknown)}")
        summary = CheckSummary()
        suspects: list[_Suspect] = []
        for service in services or _SERVICES:
            read: defaultdict[str, int] = defaultdict(int)
            async for page in self._pages(service):
                summary.documents += page.documents
                read[page.collection] += page.documents
                suspects += await self._suspects(service, page)
                progress = CheckProgress(service=service, collection=page.collection, documents=read[page.collection])
                yield CheckIntegrityResponse(progress=progress)
                if len(suspects) >= _MOST_SUSPECTS:
                    async for orphan in self._orphans(suspects):
                        summary.orphans += 1
                        yield CheckIntegrityResponse(orphan=orphan)
                    suspects.clear()
        async for orphan in self._orphans(suspects):
            summary.orphans += 1
            yield CheckIntegrityResponse(orphan=orphan)
        for service in _SERVICES:
            summary.unsettled_events += await self._events(service, parked_only=False)
            summary.parked_events += await self._events(service, parked_only=True)
        yield CheckIntegrityResponse(summary=summary)

    async def _pages(self, service: str) -> AsyncIterator[ScanReferencesResponse]:
        request = ScanReferencesRequest(service=service)
        while True:
            page = await self._scan(request)
            if page.collection:
                yield page
            if not page.next_collection:
                return
            request.collection, request.after_id = page.next_collection, page.next_after_id

    async def _suspects(self, service: str, page: ScanReferencesResponse) -> list[_Suspect]:
        targets: defaultdict[str, set[str]] = defaultdict(set)
        for reference in page.references:
            targets[reference.kind].add(reference.target_id)
        missing = {kind: await self._missing(kind, ids) for kind, ids in targets.items()}
        return [
            _Suspect(service, page.collection, reference.id, reference.kind, reference.target_id)
            for reference in page.references
            if reference.target_id in missing[reference.kind]
        ]

    async def _orphans(self, suspects: Collection[_Suspect]) -> AsyncIterator[Orphan]:
        """The second look: at the documents as they are now, and at what they refer to now."""
        places: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for suspect in suspects:
            places[suspect.service, suspect.collection].add(suspect.id)
        known = set(suspects)
        for (service, collection), ids in places.items():
            for some in _batches(ids):
                now = await self._scan(ScanReferencesRequest(service=service, collection=collection, ids=some))
                for suspect in await self._suspects(service, now):
                    if suspect in known:
                        yield Orphan(**suspect._asdict())

    async def _scan(self, request: ScanReferencesRequest) -> ScanReferencesResponse:
        with asking(request.service):
            return await self._channels.stub(request.service, IntegrityServiceStub).ScanReferences(request)

    async def _missing(self, kind: str, ids: Collection[str]) -> set[str]:
        service = KINDS[kind]
        stub = self._channels.stub(service, IntegrityServiceStub)
        missing: set[str] = set()
        for some in _batches(ids):
            with asking(service):
                answer = await stub.FindMissing(FindMissingRequest(service=service, kind=kind, ids=some))
            missing.update(answer.ids)
        return missing

    async def _events(self, owner: str, *, parked_only: bool) -> int:
        request = ListEventsRequest(owner=owner, parked_only=parked_only, page_size=1, count_total=True)
        with asking(owner):
            return (await self._channels.stub(owner, EventsServiceStub).ListEvents(request)).total_size


def _batches(ids: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
