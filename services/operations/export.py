"""The export of everything of a person, from all services, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llmchat.operations.v1.operations_service_pb2 import ExportUserDataRequest, ExportUserDataResponse

from libs.common.context import Call


class UserDataExport:
    """Reads and writes it out."""

    async def run(self, request: ExportUserDataRequest, call: Call) -> AsyncGenerator[ExportUserDataResponse, None]:
        raise NotImplementedError
        yield
