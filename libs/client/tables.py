"""What there are several of, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.catalog.v1.model_config_pb2 import HealthStatus, ModelConfig, ModelProvider
from llmchat.migrations.v1.migrations_service_pb2 import MigrationStatus
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operation_pb2 import Operation, OperationStatus, OperationType
from llmchat.operations.v1.operations_service_pb2 import Orphan
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.store.v1.migration_pb2 import MIGRATION_STATE_APPLIED, MigrationState
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.v1.access_key_pb2 import AccessKey
from llmchat.users.v1.session_pb2 import Session
from llmchat.users.v1.user_pb2 import KeyProvider, ProviderKeyStatus, User, UserRole, UserStatus
from rich.table import Table
from rich.text import Text

from libs.client.printing import printable
from libs.client.replica import Replica


def threads_table(threads: Iterable[Thread]) -> Table:
    """Conversations, one a row."""
    table = plain_table("id", "title", "messages", "models", "last activity")
    table.columns[2].justify = "right"
    for thread in threads:
        when = _time(thread.updated_at)
        mark = " (archived)" if thread.settings.is_archived else ""
        title = printable(thread.title) + mark
        table.add_row(thread.id, Text(title), str(thread.total_messages), ", ".join(thread.active_models), when)
    return table


def models_table(models: Iterable[ModelConfig]) -> Table:
    """Models, one a row; `context` is in tokens. What is said of their makers is of the last checks."""
    table = plain_table("id", "name", "provider", "context", "available", "health", "answers in", "failed")
    for column in (3, 6, 7):
        table.columns[column].justify = "right"
    for model in models:
        provider = ModelProvider.Name(model.provider).removeprefix("MODEL_PROVIDER_").lower()
        available = Text("yes", style="green") if model.status.is_available else Text("no", style="dim")
        status = model.status
        table.add_row(
            model.id,
            Text(printable(model.name)),
            provider,
            f"{model.specs.context_length:,}",
            available,
            Text(HealthStatus.Name(status.health_status).removeprefix("HEALTH_STATUS_").lower()),
            f"{status.response_time_ms:,.0f} ms" if status.HasField("response_time_ms") else "",
            f"{status.error_rate:.0f} %" if status.HasField("error_rate") else "",
        )
    return table


def migrations_table(migrations: Iterable[tuple[str, MigrationStatus]]) -> tuple[Table, bool]:
    """Services and their migrations, one a row; and whether all of them are applied as their files say."""
    table = plain_table("service", "migration", "state", "read", "rewritten", "when", "what")
    for column in (3, 4):
        table.columns[column].justify = "right"
    is_well = True
    for service, status in migrations:
        record = status.migration
        state = MigrationState.Name(record.state).removeprefix("MIGRATION_STATE_").lower().replace("_", " ")
        if status.is_edited:
            state += ", its file was edited since"
        if status.is_unknown:
            state += ", by a later version"
        is_well = is_well and record.state == MIGRATION_STATE_APPLIED and not status.is_edited
        table.add_row(
            service,
            f"{record.id}_{record.name}",
            state,
            f"{sum(progress.read for progress in record.progress):,}",
            f"{sum(progress.rewritten for progress in record.progress):,}",
            _time(record.completed_at) if record.HasField("completed_at") else "",
            Text(printable(record.error or record.description)),
        )
    return table, is_well


def orphans_table(orphans: Iterable[Orphan]) -> Table:
    """Documents that refer to what is not there, one a row."""
    table = Table("service", "collection", "document", "refers to", "which is not there", box=None, header_style="bold")
    for orphan in orphans:
        row = (orphan.service, orphan.collection, orphan.id, orphan.kind, orphan.missing_id)
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def events_table(events: Iterable[OutboxEvent], now: int) -> Table:
    """Events that wait, one a row; `now` in milliseconds of the epoch."""
    table = plain_table("id", "event", "about", "waits for", "failed", "age", "next")
    table.columns[4].justify = table.columns[5].justify = "right"
    for event in events:
        age = (now - event.created_at.ToMilliseconds()) / 1000
        next_in = (event.next_attempt_at.ToMilliseconds() - now) / 1000
        table.add_row(
            event.id,
            event.type,
            Text(printable(event.aggregate_id)),
            ", ".join(event.waiting_for),
            str(event.attempts),
            _span(age),
            Text("parked", style="bold red") if event.is_parked else f"in {_span(next_in)}" if next_in > 0 else "now",
        )
    return table


def sessions_table(sessions: Iterable[Session]) -> Table:
    """Sign-ins, one a row."""
    table = plain_table("id", "client", "signed in", "last used", "ends", "")
    for session in sessions:
        table.add_row(
            session.id,
            Text(printable(session.client_name)),
            _time(session.created_at),
            _time(session.last_used_at),
            _time(session.expires_at),
            "this one" if session.is_current else "",
        )
    return table


def access_keys_table(keys: Iterable[AccessKey]) -> Table:
    """Access keys, one a row."""
    table = plain_table("id", "name", "begins with", "may", "expires", "last used")
    for key in keys:
        table.add_row(
            key.id,
            Text(printable(key.name)),
            key.prefix,
            " ".join(key.permissions),
            _time(key.expires_at) if key.HasField("expires_at") else "never",
            _time(key.last_used_at) if key.HasField("last_used_at") else "never",
        )
    return table


def provider_keys_table(keys: Iterable[ProviderKeyStatus]) -> Table:
    """A person's keys for makers of models, one a row."""
    table = plain_table("provider", "set", "last used", "")
    for key in keys:
        table.add_row(
            KeyProvider.Name(key.provider).removeprefix("KEY_PROVIDER_").lower(),
            _time(key.set_at),
            _time(key.last_used_at) if key.HasField("last_used_at") else "never",
            "" if key.is_valid else Text("refused by the provider", style="bold red"),
        )
    return table


def users_table(users: Iterable[User]) -> Table:
    """Accounts, one a row."""
    table = plain_table("id", "username", "name", "role", "status", "opened", "last login")
    for user in users:
        status = UserStatus.Name(user.status).removeprefix("USER_STATUS_").lower()
        reason = f": {printable(user.suspension_reason)}" if user.suspension_reason else ""
        table.add_row(
            user.id,
            Text(printable(user.username)),
            Text(printable(user.display_name)),
            UserRole.Name(user.role).removeprefix("USER_ROLE_").lower(),
            Text(status + reason),
            _time(user.created_at),
            _time(user.last_login_at) if user.HasField("last_login_at") else "never",
        )
    return table


def audit_table(events: Iterable[AuditEvent]) -> Table:
    """What was done, one a row."""
    table = plain_table("at", "who", "did", "to", "of", "")
    for event in events:
        details = [*event.changed_fields, *([f"refused: {event.failure}"] if event.failure else [])]
        table.add_row(
            event.at.ToDatetime().strftime("%Y-%m-%d %H:%M:%S UTC"),
            Text(printable(event.actor or "nobody")),
            event.action,
            Text(printable(f"{event.entity_type} {event.entity_id}")),
            event.user_id,
            Text(printable(", ".join(details))),
        )
    return table


def operations_table(operations: Iterable[Operation]) -> Table:
    """Operations, one a row."""
    table = plain_table("id", "what", "of", "status", "done", "begun", "")
    table.columns[4].justify = "right"
    for operation in operations:
        table.add_row(
            operation.id,
            OperationType.Name(operation.type).removeprefix("OPERATION_TYPE_").lower(),
            Text(printable(operation.thread_id or operation.model_id)),
            OperationStatus.Name(operation.status).removeprefix("OPERATION_STATUS_").lower(),
            f"{operation.progress} %",
            _time(operation.created_at),
            Text(printable(operation.error.code)),
        )
    return table


def limits_table(limits: SystemLimits) -> Table:
    """The limits, one a row."""
    table = plain_table("limit", "value")
    table.columns[1].justify = "right"
    for field in limits.DESCRIPTOR.fields:
        value = getattr(limits, field.name)
        table.add_row(field.name, f"{value:,}" if value else "none")
    return table


def plain_table(*headers: str) -> Table:
    """A table without lines, whose first column is not broken."""
    table = Table(*headers, box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    return table


def _time(stamp: Timestamp) -> str:
    return stamp.ToDatetime().strftime("%Y-%m-%d %H:%M UTC")


def _span(seconds: float) -> str:
    """A time that has passed or is to pass, in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def replicas_table(replicas: Iterable[Replica]) -> Table:
    """Processes, one a row."""
    table = Table("service", "replica", "address", "pid", "state", box=None, header_style="bold", pad_edge=False)
    for replica in replicas:
        pid = "" if replica.pid is None else str(replica.pid)
        table.add_row(replica.name, str(replica.number), replica.address, pid, replica.state.value)
    return table
