"""The `llmchat` command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from libs.client.commands.account import delete_account, login, register
from libs.client.commands.browse import history, models, threads
from libs.client.commands.chat import chat
from libs.client.commands.check import check
from libs.client.commands.demo import demo
from libs.client.commands.events import list_events, replay
from libs.client.commands.up import up
from libs.client.printing import print_error
from libs.common.errors import DomainError


def build() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        help="A conversation with a language model that no lost connection interrupts.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for command in (up, chat, threads, history, models, login, register, delete_account, demo, check):
        app.command()(command)
    events = typer.Typer(invoke_without_command=True)
    events.callback()(list_events)
    events.command()(replay)
    app.add_typer(events, name="events")
    return app


def main() -> None:
    """Runs the command; what fails is told in one line and by exit code 1."""
    try:
        build()()
    except DomainError as error:
        print_error(Console(stderr=True, highlight=False), error.text)
        sys.exit(1)
