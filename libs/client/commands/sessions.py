"""`llmchat sessions` and `llmchat password`: where one is signed in, and by what."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.collecting import all_of
from libs.client.commands.connection import DEFAULT_ADDRESS, Address, ask_secret, signed_in
from libs.client.printing import print_note
from libs.client.tables import sessions_table


def sessions(
    revoke: Annotated[str, typer.Option(metavar="ID", help="End this one.")] = "",
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List where you are signed in, or end a sign-in."""
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        if revoke:
            runner.run(client.revoke_session(revoke))
            print_note(console, f"{revoke} is ended")
        else:
            console.print(sessions_table(runner.run(all_of(client.sessions()))))


def password(
    from_stdin: Annotated[
        bool,
        typer.Option("--stdin", help="Read the current and the new password from the standard input, a line each."),
    ] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Change your password. It ends all of your sign-ins but this one."""
    with signed_in(address) as (runner, client):
        current = ask_secret("current password", from_stdin=from_stdin)
        new = ask_secret("new password", from_stdin=from_stdin, confirm=True)
        runner.run(client.change_password(current, new))
    print_note(Console(), "the password is changed; your other sign-ins have ended")
