"""The RPCs of `llmchat.migrations.v1.MigrationsService`, for the services that a process runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from llmchat.migrations.v1.migrations_service_pb2 import (
    MigratePageRequest,
    MigratePageResponse,
    PlanMigrationRequest,
    PlanMigrationResponse,
    PlannedCollection,
)

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.portions import read_portion
from libs.common.documents.system import SCHEMA_VERSION
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.migrations.declaration import Migration
from libs.common.store.port import CollectionSpec, Query


def untold(unit: Unit, document: Message) -> None:
    """Nobody is told that the document is rewritten."""


@dataclass(frozen=True, slots=True)
class _Served:
    documents: Documents
    migrations: Sequence[Migration[Any]]
    rewriting: Callable[[Unit, Any], None]


class MigrationsService:
    """The documents of this process, by the service that owns them, and how they are brought up to date."""

    def __init__(self) -> None:
        self._services: dict[str, _Served] = {}

    def add(
        self,
        service: str,
        documents: Documents,
        migrations: Sequence[Migration[Any]],
        rewriting: Callable[[Unit, Any], None] = untold,
    ) -> None:
        """Serves a service's migrations; `rewriting` is told of each document in the unit that rewrites it.

        Raises:
            ValueError: a collection's are not in the order of their versions, or one leads to a version that new
                documents do not have.
        """
        for spec in _collections(migrations):
            versions = [migration.to_version for migration in migrations if migration.spec == spec]
            if versions != sorted(set(versions)) or versions[0] <= 1 or versions[-1] > SCHEMA_VERSION:
                raise ValueError(f"{service}/{spec.name}: {versions} are not versions from 2 to {SCHEMA_VERSION}")
        self._services[service] = _Served(documents, migrations, rewriting)

    async def PlanMigration(self, request: PlanMigrationRequest, call: Call) -> PlanMigrationResponse:
        """The collections that have migrations, and how many documents each holds.

        Raises:
            NotFound: the service's documents are not served here.
        """
        served = self._of(request.service)
        documents = served.documents
        return PlanMigrationResponse(
            collections=[
                PlannedCollection(collection=spec.name, documents=await documents.store.count(Query.by_id(spec)))
                for spec in _collections(served.migrations)
            ]
        )

    async def MigratePage(self, request: MigratePageRequest, call: Call) -> MigratePageResponse:
        """Rewrites what is of an older version among the documents of one page, in one commit.

        Raises:
            NotFound: the service's documents are not served here, or such a collection of them has no migration.
            Contended: others keep changing documents of the page; nothing of it was rewritten.
        """
        served = self._of(request.service)
        steps = [migration for migration in served.migrations if migration.spec.name == request.collection]
        if not steps:
            raise NotFound("collection", request.collection)

        async def migrate(unit: Unit) -> MigratePageResponse:
            portion = await read_portion(unit, Query.by_id(steps[0].spec, after=request.after_id or None))
            answer = MigratePageResponse(read=len(portion.documents))
            for document in portion.documents:
                pending = [step for step in steps if step.to_version > document.schema_version]
                for step in pending:
                    step.upgrade(document)
                    document.schema_version = step.to_version
                if pending:
                    served.rewriting(unit, document)
                    unit.put(steps[0].spec, document)
                    answer.rewritten += 1
            if not portion.is_last:
                answer.next_after_id = portion.documents[-1].id
            return answer

        return await served.documents.unit(migrate)

    def _of(self, service: str) -> _Served:
        if service not in self._services:
            raise NotFound("service", service)
        return self._services[service]


def _collections(migrations: Sequence[Migration[Any]]) -> tuple[CollectionSpec[Any], ...]:
    return tuple({migration.spec.name: migration.spec for migration in migrations}.values())
