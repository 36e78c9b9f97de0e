"""The audit trail as services write it: an event in the commit of what was done, appended by the operations service."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from llmchat.events.v1.events_pb2 import AuditRecorded
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from ulid import ULID

from libs.common.clock import timestamp
from libs.common.context import current_call
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox

# What is audited: the action, and when it is recorded.
ACTIONS = MappingProxyType(
    {
        "user.create": "an account was opened",
        "user.login": "a person signed in, or failed to",
        "user.suspend": "an administrator shut a person out",
        "user.reactivate": "an administrator let a person in again",
        "user.delete": "the deletion of an account began",
        "user.export": "everything of a person was exported",
        "role.update": "a person was made an administrator, or ceased to be one",
        "password.update": "a password was changed, or its change refused",
        "session.delete": "a session was ended before its time",
        "session.reuse": "a refresh token was used twice, and its session ended",
        "access_key.create": "an access key was made",
        "access_key.delete": "an access key was revoked",
        "provider_key.update": "a person's key for a provider was stored",
        "provider_key.delete": "a person's key for a provider was removed",
        "provider_key.use": "an answer was asked for with a person's key",
        "provider_key.invalidate": "a provider refused a person's key",
        "provider_key.rotate": "provider keys were encrypted under another master key",
        "system_config.update": "the system configuration was changed",
        "model.update": "a model was put into the catalog, or changed there",
        "thread.share": "a thread was opened to other readers",
        "thread.export": "threads were exported with their messages",
        "thread.unshare": "a thread was closed to other readers",
        "model.deprecate": "a model was deprecated",
        "model.remove": "a deprecated model was taken out of the lists",
    }
)


def audit(
    unit: Unit,
    outbox: Outbox,
    action: str,
    entity_type: str,
    entity_id: str,
    *,
    user_id: str = "",
    changed_fields: Sequence[str] = (),
    failure: str = "",
) -> None:
    """Stages that something sensitive is done by the current call; it is appended once that is committed.

    Args:
        unit: of the change that it tells of.
        outbox: of the service.
        action: one of `ACTIONS`.
        entity_type: what it is done to, by kind.
        entity_id: and by id.
        user_id: whose account it concerns.
        changed_fields: the names of the fields, never their values.
        failure: the reason, where it was refused.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is not in the table of audited actions")
    call = current_call()
    event = AuditEvent(
        id=f"audit_{str(ULID()).lower()}",
        at=timestamp(unit.now),
        actor=call.caller.actor,
        user_id=user_id,
        action=action,
        entity_type=entity_type,
        entity_id=entity_id,
        changed_fields=changed_fields,
        request_id=call.request_id,
        service=outbox.service,
        failure=failure,
    )
    # An aggregate of its own: one entry waits for no other.
    outbox.emit(unit, "audit.recorded", event.id, AuditRecorded(audit_event=event))
