"""`llmchat chat`: a conversation on the terminal."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.account import enter_by_asking
from libs.client.commands.connection import (
    DEFAULT_ADDRESS,
    Address,
    PasswordStdin,
    Username,
    connected,
    telling_the_end,
)
from libs.client.conversation import Conversation, converse
from libs.client.printing import print_note


def chat(
    model: Annotated[str, typer.Option(help="Whom to talk with: an id of `llmchat models`.")] = "echo",
    thread: Annotated[str, typer.Option(help="A conversation to go on with; left out, a new one.")] = "",
    username: Username = "",
    password_stdin: PasswordStdin = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Talk with a model. Ctrl-C stops an answer, Ctrl-D leaves."""
    console = Console(highlight=False)
    with connected(address) as (runner, client):
        enter_by_asking(runner, client, username, password_stdin=password_stdin)
        runner.run(client.get_model(model))
        title = f"“{runner.run(client.get_thread(thread)).title}”" if thread else "a new conversation"
        print_note(console, f"{title} with {model} · /help for what there is · Ctrl-C stops an answer, Ctrl-D leaves")
        with telling_the_end(client):
            converse(runner, Conversation(client, console, model=model, thread_id=thread), console)
