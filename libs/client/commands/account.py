"""`llmchat register`, `login` and `delete-account`; and the way in that a conversation offers by itself."""

from __future__ import annotations

import asyncio
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
    ask_password,
    ask_username,
    connected,
    signed_in,
)
from libs.client.credentials import Credentials, SignedIn, credentials_path
from libs.client.printing import print_note
from libs.common.errors import NotFound, Unauthenticated


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
    """Sign in. The token is kept in a file that only you can read; the password is not kept."""
    with connected(address) as (runner, client):
        username = ask_username(username)
        enter(runner, client, username, ask_password(from_stdin=password_stdin))
    print_note(Console(), f"signed in as {username}")


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
        Credentials(credentials_path()).remove(address)
        runner.run(_watch(client, operation, Console(highlight=False)))


def open_account(runner: asyncio.Runner, client: Client, username: str, name: str, password: str) -> None:
    """Registers, signs in and remembers it."""
    runner.run(client.register(username, name or username.partition("@")[0], password))
    enter(runner, client, username, password)


def enter(runner: asyncio.Runner, client: Client, username: str, password: str) -> None:
    """Signs in and remembers it."""
    token = runner.run(client.login(username, password)).access_token
    Credentials(credentials_path()).put(client.address, SignedIn(username, token))


def enter_by_asking(runner: asyncio.Runner, client: Client, username: str, *, password_stdin: bool) -> None:
    """Signs in with the kept token; asks where there is none or it has expired, and offers to register."""
    kept = Credentials(credentials_path()).get(client.address)
    if kept is not None and username in ("", kept.username):
        client.token = kept.token
        try:
            runner.run(client.me())
        except Unauthenticated:
            username = kept.username
        else:
            return
    client.token = None
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


async def _watch(client: Client, deletion: Operation, console: Console) -> None:
    try:
        async for operation in client.watch_operation(deletion.id):
            print_note(console, f"{operation.progress} %")
    except NotFound:
        print_note(console, "the account is closed; what it held goes as soon as the services hear of it")
    else:
        print_note(console, "the account is deleted")
