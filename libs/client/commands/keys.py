"""`llmchat keys`: keys by which programs act for their owner."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.collecting import all_of
from libs.client.commands.connection import ACCESS_KEY, DEFAULT_ADDRESS, Address, signed_in
from libs.client.printing import print_note
from libs.client.tables import access_keys_table
from libs.client.times import later
from libs.common.clock import wall_clock


def list_keys(context: typer.Context, address: Address = DEFAULT_ADDRESS) -> None:
    """List your access keys: by them programs act for you."""
    if context.invoked_subcommand is not None:
        return
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        keys = runner.run(all_of(client.access_keys()))
    if keys:
        console.print(access_keys_table(keys))
    else:
        print_note(console, "no access keys: `llmchat keys create` makes one")


def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    allow: Annotated[
        list[str], typer.Option(help="What it may do: thread.read, thread.*, or * for everything; repeatable.")
    ],
    expires: Annotated[str, typer.Option(help="When: 12h, 90d, or a day such as 2027-01-31. Left out: never.")] = "",
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Make a key. It is printed now and never again: alone, on the standard output."""
    expires_at = later(expires, wall_clock()) if expires else None
    with signed_in(address) as (runner, client):
        made = runner.run(client.create_access_key(name, allow, expires_at=expires_at))
    print_note(Console(stderr=True), f"{made.access_key.id}: this is shown once; {ACCESS_KEY} has commands act by it")
    typer.echo(made.secret)


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")], address: Address = DEFAULT_ADDRESS
) -> None:
    """End a key at once."""
    with signed_in(address) as (runner, client):
        runner.run(client.revoke_access_key(key))
    print_note(Console(), f"{key} is revoked")
