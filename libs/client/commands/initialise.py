"""`llmchat init`: everything that a new installation needs before it serves."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from libs.client.commands.connection import PasswordStdin, ask_password
from libs.client.commands.modules import run_module

_PASSWORD = "LLMCHAT_ADMIN_PASSWORD"  # noqa: S105 - the variable's name


def init(
    admin: Annotated[
        str,
        typer.Option(
            metavar="E-MAIL",
            envvar="LLMCHAT_ADMIN",
            help="Make this person an administrator; the account is opened if there is none.",
        ),
    ] = "",
    password_stdin: PasswordStdin = False,
    data: Annotated[str, typer.Option(help="The folder for the data, in place of LLMCHAT_STORE_URL.")] = "",
) -> None:
    """Make an installation ready, on any engine; what is there already stays as it is.

    Tables and indexes, rules where the engine has such, the system's configuration, the catalog, and an administrator,
    whose password is that of LLMCHAT_ADMIN_PASSWORD, or is asked for. Where services keep their documents apart, it
    takes the settings of all of them.
    """
    settings = {"LLMCHAT_ADMIN": admin}
    if data:
        settings["LLMCHAT_STORE_URL"] = f"sqlite:///{data}"
    if admin and (password := _password(from_stdin=password_stdin)):
        settings[_PASSWORD] = password
    run_module("services.initialise", settings=settings)


def _password(*, from_stdin: bool) -> str:
    """A new account's; empty where the person has one, or nobody can be asked."""
    if from_stdin:
        return ask_password(from_stdin=True)
    if os.environ.get(_PASSWORD) or not sys.stdin.isatty():
        return ""
    text = "Password for a new account (empty where there is one)"
    return str(typer.prompt(text, default="", show_default=False, hide_input=True, confirmation_prompt=True))
