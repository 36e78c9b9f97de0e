"""`llmchat threads`, `llmchat history`, `llmchat models`: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from llmchat.threads.v1.thread_pb2 import Thread
from rich.console import Console

from libs.client.client import Client
from libs.client.commands.collecting import all_of
from libs.client.commands.connection import DEFAULT_ADDRESS, Address, connected, signed_in
from libs.client.printing import print_message, print_note, print_thread_change
from libs.client.tables import models_table, threads_table


def threads(
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones instead.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="All of them, then each as it changes, until Ctrl-C.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List your conversations, the newest activity first."""
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        if watch:
            with suppress(KeyboardInterrupt):
                runner.run(_watch_threads(client, console))
        else:
            _print_threads(console, runner.run(all_of(client.list_threads(archived=archived))))


def history(
    thread: Annotated[str, typer.Argument(help="A conversation's id.")], address: Address = DEFAULT_ADDRESS
) -> None:
    """Print a conversation from its beginning."""
    with signed_in(address) as (runner, client):
        messages = runner.run(all_of(client.list_messages(thread)))
    console = Console(highlight=False)
    for message in messages:
        print_message(console, message)


def models(address: Address = DEFAULT_ADDRESS) -> None:
    """List the models to talk with."""
    with connected(address) as (runner, client):
        found = runner.run(all_of(client.list_models()))
    Console(highlight=False).print(models_table(found))


def _print_threads(console: Console, found: Sequence[Thread]) -> None:
    if found:
        console.print(threads_table(found))
    else:
        print_note(console, "no conversations yet: `llmchat chat` starts one")


async def _watch_threads(client: Client, console: Console) -> None:
    begin: list[Thread] = []
    is_synced = False
    async for change in client.watch_threads():
        if change.HasField("synced"):
            is_synced = True
            _print_threads(console, begin)
        elif is_synced:
            print_thread_change(console, change)
        else:
            begin.append(change.thread)
