"""The RPCs of `llmchat.migrations.v1.MigrationsService`, for the services that a process runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from llmchat.migrations.v1.migrations_service_pb2 import (
    GetMigrationsRequest,
    GetMigrationsResponse,
    MigrateDownRequest,
    MigrateDownResponse,
    MigrateUpRequest,
    MigrateUpResponse,
    MigrationStatus,
)

from libs.common.context import Call
from libs.common.errors import NotFound
from libs.common.migrations.runner import Runner


class MigrationsService:
    """What runs the migrations of this process's services, by their names."""

    def __init__(self) -> None:
        self._runners: dict[str, Runner] = {}

    @property
    def runners(self) -> list[Runner]:
        """One for each service."""
        return list(self._runners.values())

    def add(self, runner: Runner) -> None:
        """Serves a service's migrations."""
        self._runners[runner.service] = runner

    async def GetMigrations(self, request: GetMigrationsRequest, call: Call) -> GetMigrationsResponse:
        """All of a service's.

        Raises:
            NotFound: the service's documents are not served here.
        """
        known = await self._of(request.service).known()
        return GetMigrationsResponse(
            migrations=[
                MigrationStatus(migration=one.record, is_edited=one.is_edited, is_unknown=one.is_unknown)
                for one in known
            ]
        )

    async def MigrateUp(self, request: MigrateUpRequest, call: Call) -> AsyncGenerator[MigrateUpResponse, None]:
        """Applies what is pending.

        Raises:
            NotFound: as `GetMigrations`.
            Precondition, Contended: as `Runner.up`.
        """
        async with aclosing(self._of(request.service).up(call.caller.actor)) as steps:
            async for record in steps:
                yield MigrateUpResponse(migration=record)

    async def MigrateDown(self, request: MigrateDownRequest, call: Call) -> AsyncGenerator[MigrateDownResponse, None]:
        """Rolls back what was applied beyond a number.

        Raises:
            NotFound: as `GetMigrations`.
            Invalid, Precondition, Contended: as `Runner.down`.
        """
        async with aclosing(self._of(request.service).down(request.to, call.caller.actor)) as steps:
            async for record in steps:
                yield MigrateDownResponse(migration=record)

    def _of(self, service: str) -> Runner:
        if service not in self._runners:
            raise NotFound("service", service)
        return self._runners[service]
