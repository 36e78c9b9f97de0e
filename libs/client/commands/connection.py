"""What commands share: the options that say where and who, and the way in."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.credentials import Credentials, credentials_path
from libs.client.health import is_serving
from libs.common.errors import Invalid, Unauthenticated, Unavailable
from libs.common.settings import SERVICES, address_setting

# Seconds: that a server may take to say that it serves, and that a call may take while a person waits.
_REACH = 2.0
_CALL = 10.0

Address = Annotated[
    str,
    typer.Option(envvar="LLMCHAT_ADDRESS", help="Where services listen that have no LLMCHAT_…_ADDRESS of their own."),
]
DEFAULT_ADDRESS = "127.0.0.1:50051"
Username = Annotated[str, typer.Option(help="The e-mail address of the account; asked for when left out.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@contextmanager
def connected(address: str, *, token: str | None = None) -> Iterator[tuple[asyncio.Runner, Client]]:
    """A client, and the loop that it lives on.

    Raises:
        Unavailable: nobody serves where a service should be.
    """
    places = places_of(address)
    with asyncio.Runner() as runner:
        runner.run(require_serving(places.values()))
        client = runner.run(_open(places, token))
        try:
            yield runner, client
        finally:
            runner.run(client.close())


async def require_serving(places: Iterable[str]) -> None:
    """Returns where somebody serves at each of the places.

    Raises:
        Unavailable: nobody does at one of them.
    """
    for place in dict.fromkeys(places):
        if not await is_serving(place, _REACH):
            raise Unavailable(f"cannot reach {place}: is `llmchat up` running?")


@contextmanager
def signed_in(address: str) -> Iterator[tuple[asyncio.Runner, Client]]:
    """As `connected`, for the person who is signed in.

    Raises:
        Unauthenticated: nobody is, or not any more.
    """
    entrance = places_of(address)["users"]
    person = Credentials(credentials_path()).get(entrance)
    if person is None:
        raise Unauthenticated(f"nobody is signed in at {entrance}: `llmchat login` or `llmchat register` first")
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


def places_of(address: str) -> dict[str, str]:
    """Where each service is, by the settings that the services themselves read."""
    return {service: os.environ.get(address_setting(service)) or address for service in SERVICES}


async def _open(places: dict[str, str], token: str | None) -> Client:
    # A channel belongs to the loop that it is made on.
    return Client(addresses=places, token=token, timeout=_CALL)
