"""The whole installation on a terminal: what it goes by, what there is in it, and how it is."""

from __future__ import annotations

from llmchat.operations.v1.system_config_pb2 import SystemConfig
from llmchat.operations.v1.system_health_pb2 import OllamaStatus, PartStatus, SystemHealth
from llmchat.operations.v1.system_stats_pb2 import SystemStats
from llmchat.operations.v1.system_version_pb2 import Environment, SystemVersion
from rich.table import Table
from rich.text import Text

from libs.client.printing import printable
from libs.client.tables import plain_table

_NANOS = 10**9
_MIB = 2**20


def config_table(config: SystemConfig) -> Table:
    """What people may do at all, and what conversations begin with, one setting a row."""
    table = plain_table("setting", "value")
    for field in config.features.DESCRIPTOR.fields:
        table.add_row(field.name, "on" if getattr(config.features, field.name) else "off")
    for field in config.defaults.DESCRIPTOR.fields:
        table.add_row(field.name, Text(printable(f"{getattr(config.defaults, field.name)}")))
    return table


def totals_table(stats: SystemStats) -> Table:
    """What there is and what was done in all."""
    table = plain_table("", "in all")
    table.columns[1].justify = "right"
    for name, value in (
        ("users", stats.total_users),
        ("threads", stats.total_threads),
        ("messages", stats.total_messages),
        ("tokens processed", stats.total_tokens_processed),
    ):
        table.add_row(name, f"{value:,}")
    table.add_row("cost", _dollars(stats.total_cost_nanos))
    return table


def days_table(stats: SystemStats) -> Table:
    """What was done on each day, newest first."""
    headers = ("day (UTC)", "new users", "new threads", "answers", "tokens", "calls")
    table = plain_table(*headers)
    for column in table.columns[1:]:
        column.justify = "right"
    for day in stats.daily_stats:
        numbers = (day.new_users, day.new_threads, day.messages_generated, day.tokens_processed, day.api_calls)
        table.add_row(day.date, *(f"{number:,}" for number in numbers))
    return table


def model_usage_table(stats: SystemStats) -> Table:
    """What each model has done, the busiest first."""
    table = plain_table("model", "answers", "tokens", "took on average", "failed", "cost")
    for column in table.columns[1:]:
        column.justify = "right"
    for id, usage in sorted(stats.model_usage.items(), key=lambda item: (-item[1].total_calls, item[0])):
        table.add_row(
            Text(printable(id)),
            f"{usage.total_calls:,}",
            f"{usage.total_tokens:,}",
            f"{usage.avg_response_time:,.0f} ms",
            f"{usage.error_rate:.1f} %",
            _dollars(usage.cost_nanos),
        )
    return table


def health_table(health: SystemHealth) -> Table:
    """Each part, one a row."""
    table = plain_table("part", "status", "answers in", "")
    table.columns[2].justify = "right"
    for service in health.services:
        waiting = f"{service.unsettled_events:,} events under way" if service.unsettled_events else ""
        table.add_row(
            service.service,
            status_text(service.status),
            f"{service.store_latency_ms:.1f} ms" if service.store_latency_ms else "",
            Text(printable(service.last_error or waiting)),
        )
    bus = health.bus
    latency = f"{bus.latency_ms:.1f} ms" if bus.HasField("latency_ms") else ""
    table.add_row("bus", status_text(bus.status), latency, "" if bus.is_shared else "within one process")
    for name, api in sorted(health.external_apis.items()):
        reached = Text("reachable", style="green") if api.is_reachable else Text("not reachable", style="bold red")
        table.add_row(Text(printable(name)), reached, f"{api.latency_ms:.1f} ms", Text(printable(api.last_error)))
    if health.HasField("ollama"):
        status = OllamaStatus.Name(health.ollama.status).removeprefix("OLLAMA_STATUS_").lower()
        loaded = ", ".join(health.ollama.loaded_models)
        held = f"{loaded} in {health.ollama.memory_usage / _MIB:,.0f} MiB" if loaded else ""
        table.add_row("ollama", status, "", Text(printable(health.ollama.last_error or held)))
    return table


def version_table(version: SystemVersion) -> Table:
    """What runs there."""
    table = plain_table("what", "is")
    table.add_row("application", Text(printable(version.application)))
    table.add_row("schema", str(version.schema))
    table.add_row("environment", Environment.Name(version.environment).removeprefix("ENVIRONMENT_").lower())
    if version.HasField("build_time"):
        table.add_row("built", version.build_time.ToDatetime().strftime("%Y-%m-%d %H:%M UTC"))
    if version.git_commit:
        table.add_row("commit", Text(printable(version.git_commit)))
    return table


def status_text(status: PartStatus) -> Text:
    """A part's status in its colour."""
    name = PartStatus.Name(status).removeprefix("PART_STATUS_").lower()
    return Text(name, style={"healthy": "green", "degraded": "yellow", "down": "bold red"}.get(name, ""))


def _dollars(nanos: int) -> str:
    return f"${nanos / _NANOS:,.2f}"
