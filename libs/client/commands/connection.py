"""What commands share: the options that say where and who, and the way in."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from libs.client.client import Client
from libs.client.credentials import Credentials, KeptSession, credentials_path
from libs.client.health import is_serving
from libs.client.session import Session
from libs.common.errors import Invalid, Unauthenticated, Unavailable
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES, address_setting

# Seconds: that a server may take to say that it serves, and that a call may take while a person waits.
_REACH = 2.0
_CALL = 10.0

Address = Annotated[
    str,
    typer.Option(envvar="LLMCHAT_ADDRESS", help="Where services listen that have no LLMCHAT_…_ADDRESS of their own."),
]
ACCESS_KEY = "LLMCHAT_ACCESS_KEY"
DEFAULT_ADDRESS = "127.0.0.1:50051"
Username = Annotated[str, typer.Option(help="The e-mail address of the account; asked for when left out.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@contextmanager
def connected(address: str) -> Iterator[tuple[asyncio.Runner, Client]]:
    """A client of nobody yet, and the loop that it lives on. A sign-in is kept, and so is each refresh of it.

    Raises:
        Unavailable: nobody serves where a service should be.
    """
    places = places_of(address)
    with asyncio.Runner() as runner:
        runner.run(require_serving(places))
        client = runner.run(_open(places))
        try:
            yield runner, client
        finally:
            runner.run(client.close())


async def require_serving(places: Mapping[str, str]) -> None:
    """Returns where somebody serves at the place of each service.

    Raises:
        Unavailable: nobody does at one of them.
        Invalid: what the settings say of TLS.
    """
    tls = Tls.of(os.environ)
    for place, service in {place: service for service, place in places.items()}.items():
        if not await is_serving(place, service, _REACH, tls=tls):
            how = " with certificates of the authority in LLMCHAT_TLS_CA" if tls else ""
            raise Unavailable(f"cannot reach {place}: is `llmchat up` running{how}?")


@contextmanager
def signed_in(address: str) -> Iterator[tuple[asyncio.Runner, Client]]:
    """As `connected`, for whoever LLMCHAT_ACCESS_KEY stands for, else for the person who is signed in.

    Raises:
        Unauthenticated: there is neither, or not any more.
    """
    session = access_key() or kept_session(places_of(address)["users"]).get()
    if session is None:
        entrance = places_of(address)["users"]
        raise Unauthenticated(f"nobody is signed in at {entrance}: `llmchat login` or `llmchat register` first")
    with connected(address) as (runner, client):
        client.session = session
        with telling_the_end(client):
            yield runner, client


@contextmanager
def telling_the_end(client: Client) -> Iterator[None]:
    """Says of a sign-in that ends in the context what to do then.

    Raises:
        Unauthenticated: with that.
    """
    who = client.session.username if client.session is not None else ""
    try:
        yield
    except Unauthenticated as error:
        if not who:
            raise Unauthenticated(f"{ACCESS_KEY} is refused: {error.text}") from error
        raise Unauthenticated(f"the sign-in of {who} has ended: `llmchat login` again") from error


def access_key() -> Session | None:
    """What acts in place of a kept sign-in; None where the environment holds none."""
    key = os.environ.get(ACCESS_KEY)
    return Session("", key) if key else None


def kept_session(address: str) -> KeptSession:
    """What is kept of the sign-in at `address`."""
    return KeptSession(Credentials(credentials_path()), address)


def ask_username(username: str) -> str:
    """The given one, or what the person types."""
    return username or str(typer.prompt("E-mail"))


def ask_password(*, from_stdin: bool, confirm: bool = False) -> str:
    """A line of the standard input, or what the person types unseen."""
    return ask_secret("password", from_stdin=from_stdin, confirm=confirm)


def ask_secret(name: str, *, from_stdin: bool, confirm: bool = False) -> str:
    """A line of the standard input, or what the person types unseen, by the secret's name."""
    if not from_stdin:
        return str(typer.prompt(name.capitalize(), hide_input=True, confirmation_prompt=confirm))
    secret = sys.stdin.readline().rstrip("\n")
    if not secret:
        raise Invalid(f"the standard input holds no {name}")
    return secret


def places_of(address: str) -> dict[str, str]:
    """Where each service is, by the settings that the services themselves read."""
    return {service: os.environ.get(address_setting(service)) or address for service in SERVICES}


async def _open(places: dict[str, str]) -> Client:
    # A channel belongs to the loop that it is made on.
    kept = kept_session(places["users"])
    tls = Tls.of(os.environ)
    return Client(addresses=places, tls=tls, timeout=_CALL, on_session=kept.put, shared=kept.shared)
