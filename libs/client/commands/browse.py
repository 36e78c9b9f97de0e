"""`llmchat threads`, `llmchat history`, `llmchat models`: what there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, connected, signed_in
from libs.client.printing import models_table, print_message, print_note, threads_table

Item = TypeVar("Item")


def threads(
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones instead.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List your conversations, the newest activity first."""
    with signed_in(address) as (runner, client):
        found = runner.run(_all(client.list_threads(archived=archived)))
    console = Console(highlight=False)
    if found:
        console.print(threads_table(found))
    else:
        print_note(console, "no conversations yet: `llmchat chat` starts one")


def history(
    thread: Annotated[str, typer.Argument(help="A conversation's id.")], address: Address = DEFAULT_ADDRESS
) -> None:
    """Print a conversation from its beginning."""
    with signed_in(address) as (runner, client):
        messages = runner.run(_all(client.list_messages(thread)))
    console = Console(highlight=False)
    for message in messages:
        print_message(console, message)


def models(address: Address = DEFAULT_ADDRESS) -> None:
    """List the models to talk with."""
    with connected(address) as (runner, client):
        found = runner.run(_all(client.list_models()))
    Console(highlight=False).print(models_table(found))


async def _all(items: AsyncIterator[Item]) -> list[Item]:
    return [item async for item in items]
