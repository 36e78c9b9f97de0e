"""`llmchat admin generator-token`: the credential of those who write answers outside."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.operating import DEFAULT_DATA, Data, installation_keys
from libs.client.printing import print_note
from libs.common.crypto.tokens import Tokens

_DAY = 24 * 3600


def generator_token(
    days: Annotated[int, typer.Option(min=1, max=3650, help="For how many days it is good.")] = 30,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print a token for a generator, which claims and writes the answers of models that are generated outside.

    It is signed with the installation's secret key and good for any generator. Nothing takes it back before its time
    but the replacement of that key: see `llmchat secret`.
    """
    tokens = Tokens(installation_keys(data).derive("tokens"))
    token, _ = tokens.issue_service("generator", "", is_admin=False, life=days * _DAY)
    # A secret stands alone on the standard output, for `TOKEN=$(llmchat admin generator-token)`.
    typer.echo(token)
    print_note(Console(stderr=True), f"good for {days} days; it is not kept anywhere")
