"""`llmchat provider-key`: one's own keys for the makers of models."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, ask_secret, signed_in
from libs.client.printing import print_note
from libs.client.tables import provider_keys_table


class Provider(StrEnum):
    """The makers, as they are typed."""

    CLAUDE = "claude"
    OPENAI = "openai"
    GOOGLE = "google"

    @property
    def in_proto(self) -> KeyProvider:
        """As the API names it."""
        return _IN_PROTO[self]


_IN_PROTO = {
    Provider.CLAUDE: KEY_PROVIDER_CLAUDE,
    Provider.OPENAI: KEY_PROVIDER_OPENAI,
    Provider.GOOGLE: KEY_PROVIDER_GOOGLE,
}


def list_keys(context: typer.Context, address: Address = DEFAULT_ADDRESS) -> None:
    """List for which makers of models you have stored a key of your own. Keys are never shown."""
    if context.invoked_subcommand is not None:
        return
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        keys = runner.run(client.me()).provider_keys
    if keys:
        console.print(provider_keys_table(keys))
    else:
        print_note(console, "no keys of your own: `llmchat provider-key set` stores one")


def set_key(
    provider: Provider,
    from_stdin: Annotated[bool, typer.Option("--stdin", help="Read the key from the standard input.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Ask the provider first whether it takes the key.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Store a key of your own, encrypted, in place of one that is there."""
    with signed_in(address) as (runner, client):
        key = ask_secret("key", from_stdin=from_stdin)
        runner.run(client.set_provider_key(provider.in_proto, key, check=check))
    print_note(Console(), f"the key for {provider.value} is stored")


def delete(provider: Provider, address: Address = DEFAULT_ADDRESS) -> None:
    """Remove your key for a maker of models."""
    with signed_in(address) as (runner, client):
        runner.run(client.delete_provider_key(provider.in_proto))
    print_note(Console(), f"the key for {provider.value} is removed")
