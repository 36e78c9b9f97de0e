"""The `llmchat` command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import typer
from rich.console import Console

from libs.client.commands import keys, migrate, provider_key, secret
from libs.client.commands import models as local_models
from libs.client.commands.account import delete_account, login, logout, register
from libs.client.commands.admin import accounts, generators, system
from libs.client.commands.admin import models as catalog
from libs.client.commands.browse import history, models, threads
from libs.client.commands.chat import chat
from libs.client.commands.check import check
from libs.client.commands.copy import copy
from libs.client.commands.demo import demo
from libs.client.commands.events import list_events, replay
from libs.client.commands.export import export
from libs.client.commands.imports import export_threads, import_threads
from libs.client.commands.initialise import init
from libs.client.commands.operations import cancel, list_operations, retry, show
from libs.client.commands.rules import rules
from libs.client.commands.sessions import password, sessions
from libs.client.commands.up import up
from libs.client.printing import print_error
from libs.common.errors import DomainError

Command = Callable[..., None]

# Headings of the help.
_ACCOUNT = "Your account"
_OPERATORS = "For operators, with the installation's secret key"


def build() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        help="A conversation with a language model that no lost connection interrupts.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    _add(app, (up, chat, threads, history, models, demo))
    of_machine = typer.Typer(help="Have models of this machine loaded.", no_args_is_help=True)
    of_machine.command("load")(local_models.load)
    app.add_typer(of_machine, name="model")
    _add(app, (register, login, logout, sessions, password, export, delete_account), _ACCOUNT)
    # `import` is no name that a function may have.
    app.command("import", rich_help_panel=_ACCOUNT)(import_threads)
    _add(app, (export_threads,), _ACCOUNT)
    _add_group(app, "keys", keys.list_keys, {"create": keys.create, "revoke": keys.revoke}, _ACCOUNT)
    known: dict[str, Command] = {"show": show, "cancel": cancel, "retry": retry}
    _add_group(app, "operations", list_operations, known, _ACCOUNT)
    stored: dict[str, Command] = {"set": provider_key.set_key, "delete": provider_key.delete}
    _add_group(app, "provider-key", provider_key.list_keys, stored, _ACCOUNT)
    _add(app, (init, check, copy, rules), _OPERATORS)
    _add_group(app, "events", list_events, {"replay": replay}, _OPERATORS)
    of_documents = typer.Typer(
        help="Bring stored documents up to date after an upgrade, or back.", no_args_is_help=True
    )
    _add(of_documents, (migrate.status, migrate.up, migrate.down, migrate.create))
    app.add_typer(of_documents, name="migrate", rich_help_panel=_OPERATORS)
    admin = typer.Typer(help="Look after accounts, models and the system.", no_args_is_help=True)
    _add(admin, (accounts.users, accounts.suspend, accounts.reactivate, accounts.role, accounts.export))
    _add(admin, (accounts.delete, system.audit, system.limits, system.config, system.reencrypt))
    _add(admin, (system.stats, system.health, system.version))
    _add(admin, (generators.generator_token,))
    of_catalog = typer.Typer(help="Look after the models.", no_args_is_help=True)
    _add(of_catalog, (catalog.show, catalog.put, catalog.deprecate, catalog.remove))
    admin.add_typer(of_catalog, name="model")
    app.add_typer(admin, name="admin", rich_help_panel=_OPERATORS)
    steps: dict[str, Command] = {"add": secret.add, "promote": secret.promote, "remove": secret.remove}
    _add_group(app, "secret", secret.list_keys, steps, _OPERATORS)
    return app


def _add(app: typer.Typer, commands: Sequence[Command], panel: str | None = None) -> None:
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def _add_group(app: typer.Typer, name: str, alone: Command, commands: Mapping[str, Command], panel: str) -> None:
    """A group of commands whose name alone is one, too."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(alone)
    for word, command in commands.items():
        group.command(word)(command)
    app.add_typer(group, name=name, rich_help_panel=panel)


def main() -> None:
    """Runs the command; what fails is told in one line and by exit code 1."""
    try:
        build()()
    except DomainError as error:
        print_error(Console(stderr=True, highlight=False), error.text)
        sys.exit(1)
