"""What must be so once everything that was begun has ended: all that is added up equals a recount."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from google.protobuf.message import Message as AnyMessage
from llmchat.store.v1.outbox_pb2 import OutboxEvent

from libs.common.documents.system import OUTBOX
from libs.common.settings import SERVICES
from libs.common.store.port import CollectionSpec
from tests.faults.calls import DEADLINE
from tests.faults.server import Server
from tests.faults.stored import documents
from tests.integration.calling import eventually
from tests.integration.recount import RECOUNTED, M, Recount


async def unsettled(server: Server) -> list[OutboxEvent]:
    """Events that some consumer has not acknowledged."""
    return [event for service in SERVICES for event in await documents(server.store_url, service, OUTBOX)]


async def equals_a_recount(server: Server, *keepers: str) -> None:
    """Statistics, totals of threads and people's usage; `keepers` have deleted nothing."""
    await eventually(partial(unsettled, server), lambda events: not events, within=DEADLINE)
    there: dict[tuple[str, str], list[AnyMessage]] = {
        (service, spec.name): await documents(server.store_url, service, spec) for service, spec in RECOUNTED
    }

    def read(service: str, spec: CollectionSpec[M], /) -> Iterable[M]:
        return there[service, spec.name]  # type: ignore[return-value]

    assert Recount(read).wrong(keepers) == []
