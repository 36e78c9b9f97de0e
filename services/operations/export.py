"""The export of everything of a person, from all services, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from llmchat.operations.v1.operations_service_pb2 import (
    EXPORT_FORMAT_CSV,
    ExportUserDataRequest,
    ExportUserDataResponse,
)
from llmchat.personal_data.v1.personal_data_service_pb2 import PersonalDocument, ReadPersonalDataRequest
from llmchat.personal_data.v1.personal_data_service_pb2_grpc import PersonalDataServiceStub

from libs.common.audit import audit
from libs.common.context import Call, Caller
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.events.outbox import Outbox
from libs.common.personal_data.declaration import HOLDERS
from libs.common.rpc.channels import Channels
from services.operations.asking import asking
from services.operations.export_formats import CsvRows, JsonLines

if TYPE_CHECKING:
    from llmchat.personal_data.v1.personal_data_service_pb2_grpc import PersonalDataServiceAsyncStub

_ME = "me"
_PIECE_BYTES = 64 * 1024


class UserDataExport:
    """Reads and writes it out; however much there is, a page and a piece of it are held at a time.

    Each document is as it was when it was read: what is written meanwhile is in it as it was or as it became, a thread
    possibly as both.
    """

    def __init__(self, documents: Documents, outbox: Outbox, channels: Channels) -> None:
        self._documents = documents
        self._outbox = outbox
        self._stubs: dict[str, PersonalDataServiceAsyncStub] = {
            service: channels.stub(service, PersonalDataServiceStub) for service in HOLDERS
        }

    async def run(self, request: ExportUserDataRequest, call: Call) -> AsyncGenerator[ExportUserDataResponse, None]:
        """The pieces; that it is exported is on record before the first of them.

        Raises:
            NotFound: there is no such account, or it is another person's and the caller no administrator.
            Unavailable: a service is away.
        """
        user_id = _reachable(call.caller, request.user_id)
        if not await self._exists(user_id):
            raise NotFound("user", request.user_id)

        async def record(unit: Unit) -> None:
            audit(unit, self._outbox, "user.export", "user", user_id, user_id=user_id)

        await self._documents.unit(record)
        form = CsvRows() if request.format == EXPORT_FORMAT_CSV else JsonLines()
        piece = bytearray(form.head)
        async for service, document in self._everything(user_id):
            for line in form.lines(service, document):
                if piece and len(piece) + len(line) > _PIECE_BYTES:
                    yield ExportUserDataResponse(data=bytes(piece))
                    piece.clear()
                piece += line
        if piece:
            yield ExportUserDataResponse(data=bytes(piece))

    async def _exists(self, user_id: str) -> bool:
        """Whether the users service has an account with this id: it gives that first."""
        async for document in self._documents_of("users", user_id):
            return document.id == user_id
        return False

    async def _everything(self, user_id: str) -> AsyncIterator[tuple[str, PersonalDocument]]:
        for service in HOLDERS:
            async for document in self._documents_of(service, user_id):
                yield service, document

    async def _documents_of(self, service: str, user_id: str) -> AsyncIterator[PersonalDocument]:
        request = ReadPersonalDataRequest(service=service, user_id=user_id)
        while True:
            with asking(service):
                page = await self._stubs[service].ReadPersonalData(request)
            for document in page.documents:
                yield document
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _reachable(caller: Caller, id: str) -> str:
    """The id of the caller's own account, or as an administrator of anyone's."""
    if id in (_ME, caller.user_id):
        return caller.user_id
    if caller.is_admin:
        return id
    raise NotFound("user", id)
