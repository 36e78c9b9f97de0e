"""The operation that brings stored documents up to date: the migrations of all services, or of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from llmchat.migrations.v1.migrations_service_pb2 import MigrateUpRequest, MigrateUpResponse
from llmchat.migrations.v1.migrations_service_pb2_grpc import MigrationsServiceStub
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult
from llmchat.store.v1.migration_pb2 import MigrationRecord

from libs.common.rpc.channels import Channels
from libs.common.settings import SERVICES
from services.operations.asking import asking
from services.operations.worker import Report, Work

# The parameter that names the one service whose documents are brought up to date.
SERVICE = "service"


def data_migration(channels: Channels) -> Work:
    """The work of `OPERATION_TYPE_MIGRATE_DATA`; its result says of each migration how many documents it rewrote.

    Another attempt goes on where the last one was, since each service keeps the place of its own. A migration that
    fails, and is rolled back, is the operation's end.
    """
    stubs = {service: channels.stub(service, MigrationsServiceStub) for service in SERVICES}

    async def migrate_data(operation: Operation, report: Report) -> OperationResult:
        wanted = str(operation.parameters[SERVICE]) if SERVICE in operation.parameters else ""
        services = [wanted] if wanted else list(SERVICES)
        # What an earlier attempt has rewritten of what is applied already.
        rewritten = {name: _number(value) for name, value in operation.result.data.items()}
        for place, service in enumerate(services):
            # A stub of `Channels` gives a generator, which the type of gRPC's own does not say.
            answers = stubs[service].MigrateUp(MigrateUpRequest(service=service))
            with asking(service):
                async with aclosing(cast("AsyncGenerator[MigrateUpResponse, None]", answers)) as steps:
                    async for step in steps:
                        record = step.migration
                        rewritten[f"{service} {record.id}_{record.name}"] = sum(
                            progress.rewritten for progress in record.progress
                        )
                        done = (place + _part_of(record)) / len(services)
                        await report(min(99, int(100 * done)), rewritten)
        result = OperationResult()
        result.data.update(rewritten)
        return result

    return migrate_data


def _part_of(record: MigrationRecord) -> float:
    """Which part of the documents the migration has read; of its validation nothing is told."""
    documents = sum(progress.documents for progress in record.progress)
    return min(1.0, sum(progress.read for progress in record.progress) / documents) if documents else 1.0


def _number(value: object) -> int:
    # A Struct holds numbers as floats.
    return int(value) if isinstance(value, float) else 0
