"""`llmchat check`: whether all that is stored holds together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from llmchat.operations.v1.operations_service_pb2 import CheckSummary, Orphan
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, places_of, require_serving
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.printing import print_note
from libs.client.tables import orphans_table


def check(
    service: Annotated[list[str] | None, typer.Option(help="Check this service's documents alone; repeatable.")] = None,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Look for documents that refer to what is not there. For operators; exit code 1 if there are any."""
    console = Console(highlight=False)
    orphans, summary = asyncio.run(_check(console, service or [], data, address))
    if orphans:
        console.print(orphans_table(orphans))
    console.print(
        f"{summary.documents:,} documents, {summary.orphans:,} orphans; "
        f"{summary.unsettled_events:,} events unsettled, {summary.parked_events:,} of them parked",
        soft_wrap=True,
    )
    if orphans and summary.unsettled_events:
        print_note(console, "what the unsettled events have yet to remove may be among the orphans: check again")
    if orphans:
        raise typer.Exit(1)


async def _check(console: Console, services: list[str], data: Path, address: str) -> tuple[list[Orphan], CheckSummary]:
    orphans: list[Orphan] = []
    summary = CheckSummary()
    await require_serving(places_of(address))
    async with open_operator(address, data) as operator:
        with console.status("checking") as status:
            async for step in operator.check(services):
                match step.WhichOneof("step"):
                    case "orphan":
                        orphans.append(step.orphan)
                    case "progress":
                        progress = step.progress
                        status.update(f"{progress.service}: {progress.documents:,} documents of {progress.collection}")
                    case "summary":
                        summary = step.summary
    return orphans, summary
