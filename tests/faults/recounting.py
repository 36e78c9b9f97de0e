"""What must be so once everything that was begun has ended: all that is added up equals a recount."""

from __future__ import annotations

from functools import partial

from libs.common.settings import SERVICES
from tests.faults.calls import DEADLINE
from tests.faults.server import Server
from tests.integration.calling import eventually
from tests.integration.recount import Recount, StoredIn
from tests.integration.tables import tables


async def unsettled(server: Server) -> list[str]:
    """Events that some consumer has not acknowledged."""
    return [id for service in SERVICES for id in tables(server.folder, service)["outbox"]]


async def equals_a_recount(server: Server, *keepers: str) -> None:
    """Statistics, totals of threads and people's usage; `keepers` have deleted nothing."""
    await eventually(partial(unsettled, server), lambda events: not events, within=DEADLINE)
    assert Recount(StoredIn(server.folder).read).wrong(keepers) == []
