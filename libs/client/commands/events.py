"""`llmchat events`: which events wait, for whom and since when; and another try for those that were given up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.operator import Operator
from libs.client.printing import print_error, print_note
from libs.client.tables import events_table
from libs.common.errors import DeadlineExceeded, Unavailable
from libs.common.settings import SERVICES


def list_events(
    context: typer.Context,
    parked: Annotated[bool, typer.Option("--parked", help="Only those that were given up and wait for you.")] = False,
    owner: Annotated[list[str] | None, typer.Option(help="Those of this service alone; repeatable.")] = None,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List the events that a service has yet to handle. For operators; exit code 1 if a service could not be asked."""
    if context.invoked_subcommand is None:
        asyncio.run(_list(owner or list(SERVICES), parked, data, address))


def replay(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Deliver a parked event again, with all of its attempts before it."""
    delivered = asyncio.run(_replay(event, data, address))
    print_note(Console(), f"{delivered.id} goes out again, to {', '.join(delivered.waiting_for)}")


async def _list(owners: list[str], parked: bool, data: Path, address: str) -> None:
    async with open_operator(address, data) as operator:
        asked = await asyncio.gather(*(_of(operator, owner, parked) for owner in owners))
    console = Console(highlight=False)
    events = [event for found in asked for event in found or ()]
    if events:
        console.print(events_table(events, int(time.time() * 1000)))
    away = [owner for owner, found in zip(owners, asked, strict=True) if found is None]
    for owner in away:
        print_error(Console(stderr=True, highlight=False), f"{owner} is away: its events are not listed")
    if away:
        raise typer.Exit(1)
    if not events:
        print_note(console, "no event is parked" if parked else "every event is settled")


async def _of(operator: Operator, owner: str, parked: bool) -> list[OutboxEvent] | None:
    """None where the service is away."""
    try:
        return [event async for event in operator.events(owner, parked_only=parked)]
    except (Unavailable, DeadlineExceeded):
        return None


async def _replay(event_id: str, data: Path, address: str) -> OutboxEvent:
    async with open_operator(address, data) as operator:
        return await operator.replay(event_id)
