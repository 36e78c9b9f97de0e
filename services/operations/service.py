"""The RPCs of `llmchat.operations.v1.OperationsService`."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.operations_service_pb2 import (
    CancelOperationRequest,
    CheckIntegrityRequest,
    CheckIntegrityResponse,
    CreateOperationRequest,
    ExportUserDataRequest,
    ExportUserDataResponse,
    GetOperationRequest,
    GetSystemConfigRequest,
    GetSystemHealthRequest,
    GetSystemStatsRequest,
    GetSystemVersionRequest,
    ListAuditEventsRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    RetryOperationRequest,
    TrackUserDeletionRequest,
    UpdateSystemConfigRequest,
    WatchOperationRequest,
)
from llmchat.operations.v1.system_config_pb2 import SystemConfig
from llmchat.operations.v1.system_health_pb2 import SystemHealth
from llmchat.operations.v1.system_stats_pb2 import SystemStats
from llmchat.operations.v1.system_version_pb2 import SystemVersion

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.pages import PageAnswer
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from services.operations import operation as operations
from services.operations.audit_log import list_audit_events
from services.operations.collections import OPERATIONS
from services.operations.creating import Creating
from services.operations.export import UserDataExport
from services.operations.integrity import IntegrityCheck
from services.operations.stats import read_stats
from services.operations.system_config import SystemConfigs
from services.operations.system_health import SystemHealthCheck
from services.operations.user_deletion import track_deletion


class OperationsService:
    """Thin: each method hands its request to the use case of that name."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        creating: Creating,
        integrity: IntegrityCheck,
        export: UserDataExport,
        system_config: SystemConfigs,
        system_health: SystemHealthCheck,
        system_version: SystemVersion,
    ) -> None:
        self._documents = documents
        self._changes = changes
        self._creating = creating
        self._integrity = integrity
        self._export = export
        self._system_config = system_config
        self._system_health = system_health
        self._system_version = system_version

    async def GetOperation(self, request: GetOperationRequest, call: Call) -> Operation:
        return await read_owned(self._documents, OPERATIONS, call.caller, request.id, admins=True)

    async def ListOperations(self, request: ListOperationsRequest, call: Call) -> PageAnswer:
        page = await operations.list_operations(self._documents, call.caller, request)
        return page.answer(ListOperationsResponse, "operations")

    async def CreateOperation(self, request: CreateOperationRequest, call: Call) -> Operation:
        return await self._creating.create(call, request)

    async def RetryOperation(self, request: RetryOperationRequest, call: Call) -> Operation:
        return await self._creating.retry(call, request)

    async def CancelOperation(self, request: CancelOperationRequest, call: Call) -> Operation:
        async def cancel(unit: Unit) -> Operation:
            return await operations.cancel_operation(unit, self._changes, call.caller, request.id)

        return await self._documents.once(call, request, Operation, cancel)

    def WatchOperation(self, request: WatchOperationRequest, call: Call) -> AsyncGenerator[Operation, None]:
        return operations.watch_operation(self._documents, self._changes, call.caller, request.id)

    async def TrackUserDeletion(self, request: TrackUserDeletionRequest, call: Call) -> Operation:
        async def track(unit: Unit) -> Operation:
            return await track_deletion(unit, self._changes, request.user_id, request.operation_id)

        return await self._documents.unit(track)

    def CheckIntegrity(
        self, request: CheckIntegrityRequest, call: Call
    ) -> AsyncGenerator[CheckIntegrityResponse, None]:
        return self._integrity.run(request.services)

    async def ListAuditEvents(self, request: ListAuditEventsRequest, call: Call) -> PageAnswer:
        return await list_audit_events(self._documents, request)

    def ExportUserData(
        self, request: ExportUserDataRequest, call: Call
    ) -> AsyncGenerator[ExportUserDataResponse, None]:
        return self._export.run(request, call)

    async def GetSystemVersion(self, request: GetSystemVersionRequest, call: Call) -> SystemVersion:
        return self._system_version

    async def GetSystemStats(self, request: GetSystemStatsRequest, call: Call) -> SystemStats:
        return await read_stats(self._documents, request.days)

    async def GetSystemHealth(self, request: GetSystemHealthRequest, call: Call) -> SystemHealth:
        return await self._system_health.read()

    async def GetSystemConfig(self, request: GetSystemConfigRequest, call: Call) -> SystemConfig:
        return await self._system_config.read()

    async def UpdateSystemConfig(self, request: UpdateSystemConfigRequest, call: Call) -> SystemConfig:
        return await self._system_config.update(call, request)
