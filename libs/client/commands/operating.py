"""The way in for an operator: whoever holds the installation's secret key is an administrator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from libs.client.commands.connection import places_of
from libs.client.operator import Operator
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from libs.common.errors import Unauthenticated
from libs.common.rpc.tls import Tls

# Seconds: that the operator is an administrator, and that a call may take.
_TOKEN_LIFE = 900
_CALL = 3.0

Data = Annotated[
    Path,
    typer.Option(
        help="The folder for the data: its secret.key makes an administrator, if LLMCHAT_SECRET_KEY does not."
    ),
]
DEFAULT_DATA = Path("data")
KEY_SETTING = "LLMCHAT_SECRET_KEY"


def open_operator(address: str, data: Path, *, timeout: float = _CALL) -> Operator:
    """An operator's connection to the services, with the seconds that a call may take; opened on the running loop.

    Raises:
        Unauthenticated: there is no key here. None is made.
        Invalid: what is there is no key.
    """
    token, _ = Tokens(installation_keys(data).derive("tokens")).issue_user("operator", True, _TOKEN_LIFE)
    return Operator(places_of(address), token=token, tls=Tls.of(os.environ), timeout=timeout)


def installation_keys(data: Path) -> KeyRing:
    """The installation's secret keys: those of LLMCHAT_SECRET_KEY, else those of the data folder.

    Raises:
        Unauthenticated: there are none. None is made.
        Invalid: what is there is no key.
    """
    if encoded := os.environ.get(KEY_SETTING):
        return KeyRing.parse(encoded, KEY_SETTING)
    path = key_file(data)
    try:
        return KeyRing.parse(path.read_text(encoding="ascii", errors="replace"), str(path))
    except OSError as error:
        where = f"set {KEY_SETTING}, or --data to the folder that holds it"
        text = f"an operator needs the installation's secret key: {where} ({path}: {error.strerror})"
        raise Unauthenticated(text) from error


def key_file(data: Path) -> Path:
    """Where the data folder keeps the secret keys."""
    return data / "secret.key"
