"""The RPCs of `llmchat.personal_data.v1.PersonalDataService`, for the services that a process runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing

from llmchat.personal_data.v1.personal_data_service_pb2 import (
    PersonalDocument,
    ReadPersonalDataRequest,
    ReadPersonalDataResponse,
)

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.errors import NotFound
from libs.common.personal_data.declaration import HOLDERS, PersonalSpec
from libs.common.personal_data.reading import Place, read
from libs.common.redaction import redacted
from libs.common.store.codec import encode

# Of the documents of a page in JSON, unless it is a single one: gRPC lets 4 MiB through.
_PAGE_BYTES = 2**20


class PersonalDataService:
    """The documents of this process, by the service that owns them, and which of them are a person's."""

    def __init__(self) -> None:
        self._services: dict[str, tuple[Documents, Sequence[PersonalSpec]]] = {}

    def add(self, service: str, documents: Documents, specs: Sequence[PersonalSpec]) -> None:
        """Serves what a service holds of people.

        Raises:
            ValueError: the service is not one of those that an export asks.
        """
        if service not in HOLDERS:
            raise ValueError(f"{service} is not among the holders of personal data")
        self._services[service] = (documents, specs)

    async def ReadPersonalData(self, request: ReadPersonalDataRequest, call: Call) -> ReadPersonalDataResponse:
        """A page of a person's documents, each as it is when it is read.

        Raises:
            NotFound: the service's documents are not served here.
            Invalid: the page token is not one that this service gave.
        """
        if request.service not in self._services:
            raise NotFound("service", request.service)
        documents, specs = self._services[request.service]
        place = Place.parse(request.page_token) if request.page_token else None
        answer = ReadPersonalDataResponse()
        size = 0
        async with aclosing(read(documents.store, specs, request.user_id, place)) as found:
            async for one in found:
                document = encode(redacted(one.stored.message))
                text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
                size += len(text.encode())
                if size > _PAGE_BYTES and place is not None and answer.documents:
                    answer.next_page_token = place.token
                    break
                place = one.place
                answer.documents.append(PersonalDocument(collection=place.collection, id=one.stored.id, json=text))
        return answer
