"""`llmchat admin migrate`: stored documents of earlier versions are brought up to date."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, Operation
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.printing import print_note, print_operation


def migrate(
    service: Annotated[str, typer.Option(help="Those of this service alone.")] = "",
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Bring stored documents up to date while all goes on, and watch it; exit code 1 if it does not end well.

    It goes on without its watcher; asked for again meanwhile, it is watched again.
    """
    console = Console(highlight=False)

    async def run() -> Operation:
        async with open_operator(address, data) as operator:
            begun = await operator.migrate(service)
            async for state in operator.watch_operation(begun.id):
                print_operation(console, state)
            return state

    ended = asyncio.run(run())
    if ended.status != OPERATION_STATUS_COMPLETED:
        raise typer.Exit(1)
    read, rewritten = (int(ended.result.data[name]) for name in ("read", "rewritten"))  # type: ignore[arg-type] # numbers
    print_note(console, f"{rewritten:,} of {read:,} documents rewritten")
