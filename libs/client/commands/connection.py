"""What commands share: the options that say where and who, and the way in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.credentials import Credentials, credentials_path
from libs.client.health import is_serving
from libs.common.errors import Invalid, Unauthenticated, Unavailable

# Seconds: that a server may take to say that it serves, and that a call may take while a person waits.
_REACH = 2.0
_CALL = 10.0

Address = Annotated[str, typer.Option(envvar="LLMCHAT_ADDRESS", help="Where the services listen.")]
DEFAULT_ADDRESS = "127.0.0.1:50051"
Username = Annotated[str, typer.Option(help="The e-mail address of the account; asked for when left out.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@contextmanager
def connected(address: str, *, token: str | None = None) -> Iterator[tuple[asyncio.Runner, Client]]:
    """A client, and the loop that it lives on.

    Raises:
        Unavailable: nobody serves at `address`.
    """
    with asyncio.Runner() as runner:
        if not runner.run(is_serving(address, _REACH)):
            raise Unavailable(f"cannot reach {address}: is `llmchat up` running?")
        client = runner.run(_open(address, token))
        try:
            yield runner, client
        finally:
            runner.run(client.close())


@contextmanager
def signed_in(address: str) -> Iterator[tuple[asyncio.Runner, Client]]:
    """As `connected`, for the person who is signed in.

    Raises:
        Unauthenticated: nobody is, or not any more.
    """
    person = Credentials(credentials_path()).get(address)
    if person is None:
        raise Unauthenticated(f"nobody is signed in at {address}: `llmchat login` or `llmchat register` first")
    with connected(address, token=person.token) as (runner, client):
        try:
            yield runner, client
        except Unauthenticated:
            raise Unauthenticated(f"the sign-in of {person.username} has ended: `llmchat login` again") from None


def ask_username(username: str) -> str:
    """The given one, or what the person types."""
    return username or str(typer.prompt("E-mail"))


def ask_password(*, from_stdin: bool, confirm: bool = False) -> str:
    """A line of the standard input, or what the person types unseen."""
    if not from_stdin:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=confirm))
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise Invalid("the standard input holds no password")
    return password


async def _open(address: str, token: str | None) -> Client:
    # A channel belongs to the loop that it is made on.
    return Client(address, token=token, timeout=_CALL)
