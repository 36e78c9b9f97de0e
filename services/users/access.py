"""The RPCs of `llmchat.access.v1.AccessService`: who may still come in."""

from __future__ import annotations

from dataclasses import replace

from llmchat.access.v1.access_service_pb2 import (
    ListRevocationsRequest,
    ListRevocationsResponse,
    ResolveAccessKeyRequest,
    ResolveAccessKeyResponse,
)

from libs.common.clock import milliseconds
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer
from libs.common.store.port import Cursor, Query
from services.users.access_keys import AccessKeys
from services.users.collections import REVOCATIONS

_PAGE = 1000


class AccessService:
    """Thin, as every servicer."""

    def __init__(self, documents: Documents, access_keys: AccessKeys) -> None:
        self._documents = documents
        self._access_keys = access_keys

    async def ListRevocations(self, request: ListRevocationsRequest, call: Call) -> PageAnswer:  # noqa: N802
        # The cursor is exclusive, and no id comes before the empty one.
        since = Cursor(milliseconds(request.since), "")
        query = Query.where(REVOCATIONS, order="revoked_at", limit=request.page_size or _PAGE)
        if not request.page_token:
            query = replace(query, after=since)
        page = await self._documents.page(query, request.page_token, count=request.count_total)
        return page.answer(ListRevocationsResponse, "revocations")

    async def ResolveAccessKey(  # noqa: N802
        self, request: ResolveAccessKeyRequest, call: Call
    ) -> ResolveAccessKeyResponse:
        return await self._access_keys.resolve(request)
