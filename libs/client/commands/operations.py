"""`llmchat operations`: one's work that takes longer than a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import typer
from llmchat.operations.v1.operation_pb2 import Operation
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, signed_in
from libs.client.printing import print_note, print_operation
from libs.client.tables import operations_table

Id = Annotated[str, typer.Argument(metavar="ID", help="The operation's id.")]


def list_operations(
    context: typer.Context,
    thread: Annotated[str, typer.Option(metavar="ID", help="Those of this conversation alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List what is done for you in the background, the newest first."""
    if context.invoked_subcommand is not None:
        return
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        found = runner.run(_first(client.list_operations(thread_id=thread, page_size=min(limit, 100)), limit))
    if found:
        console.print(operations_table(found))
    else:
        print_note(console, "no operations")


def show(
    operation: Id,
    follow: Annotated[bool, typer.Option("--follow", help="Tell each change until it has ended.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Show one: how far it is, what came of it, or why it failed."""
    console = Console(highlight=False)

    async def watch(states: AsyncIterator[Operation]) -> None:
        async for state in states:
            print_operation(console, state)

    with signed_in(address) as (runner, client):
        if follow:
            runner.run(watch(client.watch_operation(operation)))
        else:
            print_operation(console, runner.run(client.get_operation(operation)))


def cancel(operation: Id, address: Address = DEFAULT_ADDRESS) -> None:
    """End one; one that has ended stays as it is."""
    with signed_in(address) as (runner, client):
        print_operation(Console(highlight=False), runner.run(client.cancel_operation(operation)))


def retry(operation: Id, address: Address = DEFAULT_ADDRESS) -> None:
    """Have one that has failed done after all, with all its time and tries."""
    with signed_in(address) as (runner, client):
        print_operation(Console(highlight=False), runner.run(client.retry_operation(operation)))


async def _first(operations: AsyncIterator[Operation], limit: int) -> list[Operation]:
    found: list[Operation] = []
    async for operation in operations:
        found.append(operation)
        if len(found) == limit:
            break
    return found
