"""`llmchat secret`: the installation's secret key, and its replacement while people go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.operating import DEFAULT_DATA, KEY_SETTING, Data, installation_keys, key_file
from libs.client.printing import print_note
from libs.common.crypto.keys import KeyRing
from libs.common.errors import Invalid, Unavailable

Show = Annotated[
    bool,
    typer.Option("--show", help=f"Print the keys themselves, as {KEY_SETTING} takes them, on the standard output."),
]

_RESTART = "restart every process"


def list_keys(context: typer.Context, show: Show = False, data: Data = DEFAULT_DATA) -> None:
    """List the installation's secret keys by their ids: the first signs and encrypts, all are read.

    To replace it: `add`, restart every process; `promote`, restart every process; `remove`, restart every process.
    """
    if context.invoked_subcommand is None:
        _tell(installation_keys(data), show)


def add(show: Show = False, data: Data = DEFAULT_DATA) -> None:
    """Add a new key behind the others: it is read from now on, and signs nothing yet."""
    _keep(installation_keys(data).added(), show, data)
    _next(f"{_RESTART}, so that each of them reads what the new key will sign; then: llmchat secret promote")
    _next("one process that is all there is can do without this restart")


def promote(show: Show = False, data: Data = DEFAULT_DATA) -> None:
    """Make the last key the current one: it signs and encrypts from now on."""
    before = installation_keys(data)
    _keep(before.promoted(), show, data)
    _next(f"{_RESTART}; after that: llmchat admin reencrypt")
    _next(
        f"and later, once little is lost with it: llmchat secret remove {before.current.id}. It takes with it the"
        " sign-ins that were not refreshed and the access keys that were not used since this restart, provider keys"
        " that are not encrypted anew, and for a day the answers to repeated requests"
    )


def remove(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id; not that of the current one.")],
    show: Show = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Remove a key: what it signed is refused, what it encrypted is lost."""
    _keep(installation_keys(data).without(key), show, data)
    _next(_RESTART)


def _keep(keys: KeyRing, show: bool, data: Path) -> None:
    if not os.environ.get(KEY_SETTING):
        try:
            keys.replace(key_file(data))
        except OSError as error:
            raise Unavailable(f"{key_file(data)}: {error.strerror}", retry_after=None) from error
    elif not show:
        raise Invalid(f"the keys are those of {KEY_SETTING}, which you set yourself: --show prints what to set")
    _tell(keys, show)


def _tell(keys: KeyRing, show: bool) -> None:
    # A secret that was asked for stands alone, for `KEY=$(llmchat secret --show)`.
    console = Console(stderr=show, highlight=False)
    for number, key in enumerate(keys.keys):
        console.print(f"{key.id}  {'current' if number == 0 else 'read'}", soft_wrap=True)
    if show:
        typer.echo(keys.encoded)


def _next(text: str) -> None:
    print_note(Console(stderr=True), text)
