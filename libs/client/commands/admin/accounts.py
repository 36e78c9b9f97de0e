"""`llmchat admin users`, `suspend`, `reactivate`, `role`, `export` and `delete`: anyone's account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN, USER_ROLE_USER, User
from rich.console import Console

from libs.client.commands.account import follow_deletion
from libs.client.commands.collecting import all_of
from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.export import Csv, format_of, require_file, write
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.operator import Operator
from libs.client.printing import print_note
from libs.client.tables import users_table
from libs.common.errors import NotFound

Person = Annotated[str, typer.Argument(metavar="PERSON", help="An account's id or e-mail address.")]


class Role(StrEnum):
    """The roles, as they are typed."""

    USER = "user"
    ADMIN = "admin"


def users(
    username: Annotated[str, typer.Option(help="The account with this e-mail address alone.")] = "",
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """List the accounts, the newest first."""

    async def find() -> list[User]:
        async with open_operator(address, data) as operator:
            return await all_of(operator.list_users(username=username))

    Console(highlight=False).print(users_table(asyncio.run(find())))


def suspend(
    person: Person,
    reason: Annotated[str, typer.Option(help="Why; they are shown it.")],
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Shut a person out at once. Nothing of theirs is lost."""
    user = _change(address, data, person, lambda operator, id: operator.suspend(id, reason))
    print_note(Console(), f"{user.username} is suspended")


def reactivate(person: Person, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Let a suspended person sign in again."""
    user = _change(address, data, person, lambda operator, id: operator.reactivate(id))
    print_note(Console(), f"{user.username} may sign in again")


def role(person: Person, role: Role, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Make a person an administrator, or an administrator a person again. They have to sign in anew."""
    given = USER_ROLE_ADMIN if role is Role.ADMIN else USER_ROLE_USER
    user = _change(address, data, person, lambda operator, id: operator.set_role(id, given))
    print_note(Console(), f"{user.username} is {'an administrator' if role is Role.ADMIN else 'no administrator'}")


def export(person: Person, csv: Csv = False, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Write everything of a person, from all services and without secrets, to the standard output."""
    require_file()

    async def run() -> None:
        async with open_operator(address, data) as operator:
            await write(operator.export(await _id_of(operator, person), format_of(csv)))

    asyncio.run(run())


def delete(
    person: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Delete a person's account with everything of it, and watch it go. Nothing brings it back."""
    if not yes:
        typer.confirm(f"Delete {person} and all of their conversations, for good?", abort=True)

    async def run() -> None:
        async with open_operator(address, data) as operator:
            operation = await operator.delete_user(await _id_of(operator, person))
            await follow_deletion(operator.watch_operation(operation.id), Console(highlight=False))

    asyncio.run(run())


def _change(address: str, data: Path, person: str, change: Callable[[Operator, str], Awaitable[User]]) -> User:
    async def run() -> User:
        async with open_operator(address, data) as operator:
            return await change(operator, await _id_of(operator, person))

    return asyncio.run(run())


async def _id_of(operator: Operator, person: str) -> str:
    if "@" not in person:
        return person
    async for user in operator.list_users(username=person):
        return user.id
    raise NotFound("user", person)
