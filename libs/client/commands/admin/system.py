"""`llmchat admin audit`, `limits`, `config`, `stats`, `health`, `version` and `reencrypt`: the whole installation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemDefaults, SystemFeatures, SystemLimits
from llmchat.operations.v1.system_health_pb2 import PART_STATUS_HEALTHY, SystemHealth
from llmchat.operations.v1.system_stats_pb2 import SystemStats
from llmchat.operations.v1.system_version_pb2 import SystemVersion
from llmchat.users.v1.users_service_pb2 import ReencryptProviderKeysResponse
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.printing import print_note
from libs.client.system_tables import (
    config_table,
    days_table,
    health_table,
    model_usage_table,
    totals_table,
    version_table,
)
from libs.client.tables import audit_table, limits_table
from libs.client.times import earlier
from libs.common.clock import wall_clock
from libs.common.errors import Invalid

# Seconds: every account is read.
_REENCRYPTION = 600.0
# Seconds: each part has two to answer.
_HEALTH = 10.0
_LIMITS = tuple(field.name for field in SystemLimits.DESCRIPTOR.fields)
_FEATURES = tuple(field.name for field in SystemFeatures.DESCRIPTOR.fields)
_DEFAULTS = tuple(field.name for field in SystemDefaults.DESCRIPTOR.fields)
_SWITCH = {"on": True, "off": False}


def audit(
    user: Annotated[str, typer.Option(metavar="ID", help="What concerns this account.")] = "",
    entity: Annotated[str, typer.Option(metavar="KIND:ID", help="What was done to this: session:session_01…")] = "",
    action: Annotated[str, typer.Option(help="What was done: user.login.")] = "",
    since: Annotated[str, typer.Option(help="From then on: 2h, 7d, or a day such as 2027-01-31.")] = "",
    until: Annotated[str, typer.Option(help="Before then.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List what was done that is sensitive, the newest first."""
    now = wall_clock()
    kind, colon, id = entity.partition(":")
    if entity and not (kind and colon and id):
        raise Invalid(f"{entity!r} is no entity: KIND:ID")

    async def find() -> list[AuditEvent]:
        found: list[AuditEvent] = []
        async with open_operator(address, data) as operator:
            async for event in operator.audit_events(
                user_id=user,
                entity=(kind, id),
                action=action,
                since=earlier(since, now) if since else None,
                until=earlier(until, now) if until else None,
            ):
                found.append(event)
                if len(found) == limit:
                    break
        return found

    console = Console(highlight=False)
    events = asyncio.run(find())
    console.print(audit_table(events))
    if len(events) == limit:
        print_note(console, f"the newest {limit}; --limit and --until show more")


def limits(
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="LIMIT=NUMBER", help="Change one; 0 for none; repeatable.")
    ] = None,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show how much a person may have and do, or change it: in force everywhere within seconds."""
    changes = dict(map(_limit, change or ()))

    async def run() -> SystemConfig:
        async with open_operator(address, data) as operator:
            if not changes:
                return await operator.system_config()
            config = SystemConfig(limits=SystemLimits(**changes))
            return await operator.update_system_config(config, [f"limits.{name}" for name in changes])

    Console(highlight=False).print(limits_table(asyncio.run(run()).limits))


def config(
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="Change one; on or off; repeatable.")
    ] = None,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show what people may do at all and what conversations begin with, or change it: in force within seconds."""
    changed = SystemConfig()
    paths = [_change(text, changed) for text in change or ()]

    async def run() -> SystemConfig:
        async with open_operator(address, data) as operator:
            return await (operator.update_system_config(changed, paths) if paths else operator.system_config())

    Console(highlight=False).print(config_table(asyncio.run(run())))


def stats(
    days: Annotated[int, typer.Option(min=1, max=366, help="The last so many.")] = 7,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show what there is and what was done: in all, by day and by model."""

    async def run() -> SystemStats:
        async with open_operator(address, data) as operator:
            return await operator.system_stats(days)

    found = asyncio.run(run())
    console = Console(highlight=False)
    for table in (totals_table(found), days_table(found), model_usage_table(found)):
        if table.row_count:
            console.print(table)
            console.print()


def health(data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Show how services, bus and makers of models are; fails where something is not well."""

    async def run() -> SystemHealth:
        async with open_operator(address, data, timeout=_HEALTH) as operator:
            return await operator.system_health()

    found = asyncio.run(run())
    Console(highlight=False).print(health_table(found))
    if found.status != PART_STATUS_HEALTHY:
        raise typer.Exit(1)


def version(data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Show what runs there."""

    async def run() -> SystemVersion:
        async with open_operator(address, data) as operator:
            return await operator.system_version()

    Console(highlight=False).print(version_table(asyncio.run(run())))


def reencrypt(data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Encrypt every provider key under the current master key, so that an older one may be removed."""
    done = asyncio.run(_reencrypt(data, address))
    console = Console(highlight=False)
    print_note(console, f"{done.reencrypted:,} provider keys encrypted anew")
    for id, count in sorted(done.keys.items()):
        mark = ", the current one" if id == done.current_key_id else ""
        console.print(f"{id}  {count:,} provider keys{mark}", soft_wrap=True)


async def _reencrypt(data: Path, address: str) -> ReencryptProviderKeysResponse:
    async with open_operator(address, data, timeout=_REENCRYPTION) as operator:
        return await operator.reencrypt_provider_keys()


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in _LIMITS or not number.isdecimal():
        raise Invalid(f"{text!r} is not LIMIT=NUMBER, with one of {', '.join(_LIMITS)}")
    return name, int(number)


def _change(text: str, config: SystemConfig) -> str:
    """Sets what `text` says; gives its path."""
    name, equals, value = text.partition("=")
    if name in _FEATURES and value in _SWITCH:
        setattr(config.features, name, _SWITCH[value])
        return f"features.{name}"
    if name in _DEFAULTS and equals:
        try:
            setattr(config.defaults, name, float(value) if name == "temperature" else value)
        except ValueError:
            raise Invalid(f"{value!r} is no temperature") from None
        return f"defaults.{name}"
    raise Invalid(
        f"{text!r} is not SETTING=VALUE, with one of {', '.join(_FEATURES)} (on, off), {', '.join(_DEFAULTS)}"
    )
