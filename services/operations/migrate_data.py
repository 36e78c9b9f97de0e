"""The operation that brings stored documents up to date: service by service, collection by collection, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from llmchat.migrations.v1.migrations_service_pb2 import MigratePageRequest, PlanMigrationRequest
from llmchat.migrations.v1.migrations_service_pb2_grpc import MigrationsServiceStub
from llmchat.operations.v1.operation_pb2 import Operation, OperationResult

from libs.common.rpc.channels import Channels
from libs.common.settings import SERVICES
from services.operations.asking import asking, limit_the_next_call
from services.operations.worker import Report, Work

# The parameter that names the one service whose documents are brought up to date.
SERVICE = "service"


@dataclass(frozen=True, slots=True)
class _Place:
    """Up to where documents are up to date: those of earlier collections, and of this one up to `after_id`.

    `read` and `rewritten` count documents.
    """

    service: str = ""
    collection: str = ""
    after_id: str = ""
    read: int = 0
    rewritten: int = 0

    @classmethod
    def of(cls, operation: Operation) -> _Place:
        """Where the last attempt was; the beginning where there was none."""
        data = operation.result.data
        if "collection" not in data:
            return cls()
        texts = {name: str(data[name]) for name in ("service", "collection", "after_id")}
        return cls(**texts, read=_number(data["read"]), rewritten=_number(data["rewritten"]))

    @property
    def fields(self) -> Mapping[str, str | int]:
        """As it is stored."""
        return {name: getattr(self, name) for name in self.__slots__}


def data_migration(channels: Channels) -> Work:
    """The work of `OPERATION_TYPE_MIGRATE_DATA`; another attempt goes on where the last one was.

    A page that is asked for again costs a look: what is up to date is left as it is.
    """
    stubs = {service: channels.stub(service, MigrationsServiceStub) for service in SERVICES}

    async def migrate_data(operation: Operation, report: Report) -> OperationResult:
        wanted = str(operation.parameters[SERVICE]) if SERVICE in operation.parameters else ""
        plan: dict[tuple[str, str], int] = {}
        for service in [wanted] if wanted else SERVICES:
            limit_the_next_call()
            with asking(service):
                answer = await stubs[service].PlanMigration(PlanMigrationRequest(service=service))
            plan.update({(service, one.collection): one.documents for one in answer.collections})
        place, collections = _Place.of(operation), list(plan)
        if (place.service, place.collection) in plan:
            del collections[: collections.index((place.service, place.collection))]
        else:
            place = _Place()
        for service, collection in collections:
            if (service, collection) != (place.service, place.collection):
                place = replace(place, service=service, collection=collection, after_id="")
            while True:
                request = MigratePageRequest(service=service, collection=collection, after_id=place.after_id)
                limit_the_next_call()
                with asking(service):
                    page = await stubs[service].MigratePage(request)
                place = replace(place, read=place.read + page.read, rewritten=place.rewritten + page.rewritten)
                if not page.next_after_id:
                    break
                place = replace(place, after_id=page.next_after_id)
                await report(min(99, 100 * place.read // max(1, sum(plan.values()))), place.fields)
        result = OperationResult()
        result.data.update({"read": place.read, "rewritten": place.rewritten})
        return result

    return migrate_data


def _number(value: object) -> int:
    # A Struct holds numbers as floats.
    return int(value) if isinstance(value, float) else 0
