"""The export of everything of a person, from all services, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llmchat.operations.v1.operations_service_pb2 import ExportUserDataRequest, ExportUserDataResponse

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.events.outbox import Outbox
from libs.common.rpc.channels import Channels


class UserDataExport:
    """Reads and writes it out."""

    def __init__(self, documents: Documents, outbox: Outbox, channels: Channels) -> None:
        self._documents = documents
        self._outbox = outbox
        self._channels = channels

    async def run(self, request: ExportUserDataRequest, call: Call) -> AsyncGenerator[ExportUserDataResponse, None]:
        raise NotImplementedError
        yield
