"""The audit log: appended by events of all services, read by administrators."""

from __future__ import annotations

from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest

from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer


async def list_audit_events(documents: Documents, request: ListAuditEventsRequest) -> PageAnswer:
    raise NotImplementedError
