"""The RPCs of `llmchat.integrity.v1.IntegrityService`, for the services that a process runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message
from llmchat.integrity.v1.integrity_service_pb2 import (
    FindMissingRequest,
    FindMissingResponse,
    Reference,
    ScanReferencesRequest,
    ScanReferencesResponse,
)

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.errors import NotFound
from libs.common.integrity.kinds import KINDS
from libs.common.integrity.references import References
from libs.common.store.port import CollectionSpec, Query, Stored

# Documents read for a page: a message at its largest is a quarter of a megabyte.
_PAGE = 200


class IntegrityService:
    """The documents of this process, by the service that owns them, and what they refer to."""

    def __init__(self) -> None:
        self._services: dict[str, tuple[Documents, References]] = {}

    def add(self, service: str, documents: Documents, references: References) -> None:
        """Serves a service's references.

        Raises:
            ValueError: they do not go with the table of kinds.
        """
        declared = {kind.kind for kind in references.kinds}
        unknown = {reference.kind for reference in references.references} - KINDS.keys()
        if unknown or declared != {kind for kind, owner in KINDS.items() if owner == service}:
            raise ValueError(f"{service}: {sorted(declared | unknown)} are not what the table of kinds says")
        self._services[service] = (documents, references)

    async def ScanReferences(self, request: ScanReferencesRequest, call: Call) -> ScanReferencesResponse:
        """A page of references, or those of some documents.

        Raises:
            NotFound: the service's documents, or such a collection of them, are not served here.
        """
        documents, references = self._of(request.service)
        names = [spec.name for spec in references.collections]
        if not names and not request.collection:
            return ScanReferencesResponse()
        spec = _named(references.collections, request.collection or names[0])
        if request.ids:
            stored = await documents.store.get_many(spec, request.ids)
            return ScanReferencesResponse(
                collection=spec.name, documents=len(stored), references=_references(references, spec, stored)
            )
        stored = await documents.store.query(Query.by_id(spec, after=request.after_id or None, limit=_PAGE))
        answer = ScanReferencesResponse(
            collection=spec.name, documents=len(stored), references=_references(references, spec, stored)
        )
        if len(stored) == _PAGE:
            answer.next_collection, answer.next_after_id = spec.name, stored[-1].id
        else:
            answer.next_collection = next(iter(names[names.index(spec.name) + 1 :]), "")
        return answer

    async def FindMissing(self, request: FindMissingRequest, call: Call) -> FindMissingResponse:
        """Those of the ids that no document of the kind has.

        Raises:
            NotFound: the service's documents, or such a kind of them, are not served here.
        """
        documents, references = self._of(request.service)
        kind = next((kind for kind in references.kinds if kind.kind == request.kind), None)
        if kind is None:
            raise NotFound("kind", request.kind)
        stored = await documents.store.get_many(kind.spec, request.ids)
        there = {document.id for document in stored if kind.counts is None or kind.counts(document.message)}
        return FindMissingResponse(ids=[id for id in request.ids if id not in there])

    def _of(self, service: str) -> tuple[Documents, References]:
        if service not in self._services:
            raise NotFound("service", service)
        return self._services[service]


def _named(specs: Sequence[CollectionSpec[Any]], name: str) -> CollectionSpec[Any]:
    for spec in specs:
        if spec.name == name:
            return spec
    raise NotFound("collection", name)


def _references(
    references: References, spec: CollectionSpec[Any], stored: Iterable[Stored[Message]]
) -> list[Reference]:
    declared = [reference for reference in references.references if reference.spec.name == spec.name]
    return [
        Reference(id=document.id, kind=reference.kind, target_id=target)
        for document in stored
        for reference in declared
        for target in reference.targets(document.message)
        if target
    ]
