"""A server that is killed while it puts something on record: what was done is in the audit log, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ExportUserDataRequest

from libs.common.settings import SERVICES
from tests.faults.calls import DEADLINE, unless_killed
from tests.faults.server import Server
from tests.integration.calling import eventually
from tests.integration.conftest import Person
from tests.integration.tables import bodies, tables
from tests.standins.accounts import registration


@pytest.mark.parametrize("failpoint", ["after_commit_before_publish", "after_effect_before_ack"])
async def test_what_was_done_is_on_record_once_wherever_the_server_died(
    server: Server, tmp_path: Path, failpoint: str
) -> None:
    async with server.visit() as nobody:
        user_id = (await nobody.users.CreateUser(registration())).id
    # Nothing but the export is left that could reach a failpoint.
    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    # At an orderly stop it would tell of its calls, by one more event.
    await server.kill()

    fragile = Server(tmp_path, {"REDELIVERY_INTERVAL": "0.2", "FAILPOINTS": f"{failpoint}=kill"})
    await fragile.start()
    async with fragile.visit(user_id) as ada:
        await unless_killed(export(ada))
        await fragile.dies()
    await server.start()

    await eventually(lambda: unsettled(server), lambda events: not events, within=DEADLINE)
    log = [AuditEvent.FromString(body) for body in bodies(server.folder, "operations", "audit_logs")]
    assert [event.user_id for event in log if event.action == "user.export"] == [user_id]


async def export(person: Person) -> None:
    """To its end."""
    async for _ in person.operations.ExportUserData(ExportUserDataRequest(user_id="me")):
        pass


async def unsettled(server: Server) -> list[str]:
    """Events that some consumer has not acknowledged."""
    return [id for service in SERVICES for id in tables(server.folder, service)["outbox"]]
