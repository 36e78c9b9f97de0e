"""`llmchat register`, `login`, `logout` and `delete-account`; and the way in that a conversation offers by itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import typer
from llmchat.operations.v1.operation_pb2 import Operation
from rich.console import Console

from libs.client.client import Client
from libs.client.commands.connection import (
    DEFAULT_ADDRESS,
    Address,
    PasswordStdin,
    Username,
    access_key,
    ask_password,
    ask_username,
    connected,
    kept_session,
    signed_in,
)
from libs.client.printing import print_note
from libs.common.errors import Denied, NotFound, Unauthenticated


def register(
    username: Username = "",
    name: Annotated[str, typer.Option(help="The name to be shown; by default, the e-mail's before the @.")] = "",
    password_stdin: PasswordStdin = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Open an account and sign in."""
    with connected(address) as (runner, client):
        username = ask_username(username)
        password = ask_password(from_stdin=password_stdin, confirm=True)
        open_account(runner, client, username, name, password)
    print_note(Console(), f"registered and signed in as {username}")


def login(username: Username = "", password_stdin: PasswordStdin = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Sign in. What carries the sign-in on is kept in a file that only you can read; the password is not kept."""
    with connected(address) as (runner, client):
        username = ask_username(username)
        enter(runner, client, username, ask_password(from_stdin=password_stdin))
    print_note(Console(), f"signed in as {username}")


def logout(address: Address = DEFAULT_ADDRESS) -> None:
    """End your sign-in here, and forget it."""
    with connected(address) as (runner, client):
        kept = kept_session(client.address)
        session = kept.get()
        if session is None:
            raise Unauthenticated(f"nobody is signed in at {client.address}")
        client.session = session
        # One that has ended already is forgotten as well.
        with suppress(Unauthenticated, Denied):
            runner.run(client.logout())
        runner.run(kept.forget(session.username))
    print_note(Console(), f"{session.username} is signed out")


def delete_account(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Delete your account with everything of it, and watch it go. Nothing brings it back."""
    with signed_in(address) as (runner, client):
        user = runner.run(client.me())
        if not yes:
            typer.confirm(f"Delete {user.username} and all of its conversations, for good?", abort=True)
        operation = runner.run(client.delete_user())
        runner.run(kept_session(client.address).forget(user.username))
        runner.run(follow_deletion(client.watch_operation(operation.id), Console(highlight=False)))


def open_account(runner: asyncio.Runner, client: Client, username: str, name: str, password: str) -> None:
    """Registers and signs in, which is remembered."""
    runner.run(client.register(username, name or username.partition("@")[0], password))
    enter(runner, client, username, password)


def enter(runner: asyncio.Runner, client: Client, username: str, password: str) -> None:
    """Signs in, which is remembered."""
    runner.run(client.login(username, password, client_name=f"llmchat on {socket.gethostname()}"[:100]))


def enter_by_asking(runner: asyncio.Runner, client: Client, username: str, *, password_stdin: bool) -> None:
    """Goes on by LLMCHAT_ACCESS_KEY or with the kept sign-in; asks where there is none or it has ended, and offers to
    register.
    """
    if (key := access_key()) is not None and not username:
        client.session = key
        return
    kept = kept_session(client.address).get()
    if kept is not None and username in ("", kept.username):
        client.session = kept
        try:
            runner.run(client.me())
        except Unauthenticated:
            username = kept.username
        else:
            return
    client.session = None
    if not username:
        print_note(Console(), f"sign in at {client.address}, or register: an e-mail address and a password do both")
    username = ask_username(username)
    password = ask_password(from_stdin=password_stdin)
    try:
        enter(runner, client, username, password)
    except Unauthenticated:
        if password_stdin or not typer.confirm(f"No account {username} with this password. Register it?"):
            raise
        open_account(runner, client, username, "", password)


async def follow_deletion(states: AsyncIterator[Operation], console: Console) -> None:
    """Tells how far the deletion of an account is, until it has ended."""
    try:
        async for operation in states:
            print_note(console, f"{operation.progress} %")
    except (NotFound, Unauthenticated):
        print_note(console, "the account is closed; what it held goes as soon as the services hear of it")
    else:
        print_note(console, "the account is deleted")
