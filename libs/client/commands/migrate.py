"""`llmchat migrate`: stored documents of earlier versions are brought up to date, or back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from llmchat.store.v1.migration_pb2 import MIGRATION_STATE_PENDING, MigrationRecord, MigrationState
from rich.console import Console
from rich.text import Text

from libs.client.commands.connection import DEFAULT_ADDRESS, Address
from libs.client.commands.operating import DEFAULT_DATA, Data, open_operator
from libs.client.printing import print_note, printable
from libs.client.tables import migrations_table
from libs.common.errors import Invalid
from libs.common.settings import SERVICES

Service = Annotated[list[str] | None, typer.Option(help="Those of this service alone; repeatable.")]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEMPLATE = '''"""What is different from before, and why."""

from __future__ import annotations

from google.protobuf.message import Message

from libs.common.migrations.declaration import Migration


def up(document: Message) -> None:
    """Brings one of the version before up to date, by what stands in it alone; bears one that is so already."""


def down(document: Message) -> None:
    """Takes that back."""


def validate(document: Message) -> str:
    """What is wrong with one that was brought up to date."""
    return ""


# An `Upgrade` of the documents of a collection to the next SCHEMA_VERSION (libs/common/documents/system.py), or a
# `Backfill` where others have to be looked at. Without one the service does not start.
MIGRATION = Migration(description="", parts=())
'''


def status(service: Service = None, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Show what has become of each migration; exit code 1 if one is pending, edited or has failed."""

    async def run() -> bool:
        rows = []
        async with open_operator(address, data) as operator:
            for name in service or SERVICES:
                rows += [(name, one) for one in await operator.migrations(name)]
        table, is_well = migrations_table(rows)
        console = Console(highlight=False)
        if rows:
            console.print(table)
        else:
            print_note(console, "no migrations")
        return is_well

    if not asyncio.run(run()):
        raise typer.Exit(1)


def up(service: Service = None, data: Data = DEFAULT_DATA, address: Address = DEFAULT_ADDRESS) -> None:
    """Apply what is pending, while all goes on. Interrupted, it stops after a page; the next one goes on there.

    Run it once every replica is of the new version. What fails is rolled back, and what comes after it is not begun.
    """

    async def run() -> None:
        async with open_operator(address, data) as operator:
            for name in service or SERVICES:
                await _follow(name, operator.migrate_up(name), "is up to date")

    asyncio.run(run())


def down(
    number: Annotated[int, typer.Argument(min=0, help="The last one that stays; 0: none does.")],
    service: Service = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    data: Data = DEFAULT_DATA,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Roll back what was applied beyond a number: the way back to an earlier version of llmchat.

    Run it as the last thing before that is started: what this version still writes is of this version.
    """
    services = service or list(reversed(SERVICES))
    if not yes:
        typer.confirm(f"Roll back the migrations of {', '.join(services)} beyond number {number}?", abort=True)

    async def run() -> None:
        async with open_operator(address, data) as operator:
            for name in services:
                await _follow(name, operator.migrate_down(name, number), f"stands at {number}")

    asyncio.run(run())


def create(
    name: Annotated[str, typer.Argument(help="What it is about: `rank`.")],
    service: Annotated[str, typer.Option(help="Whose documents it changes.")],
    tree: Annotated[Path, typer.Option(help="The source tree.")] = Path(),
) -> None:
    """Write the file of a new migration into the source tree. For developers."""
    folder = tree / "services" / service / "migrations"
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no name of a module: lower case letters, digits and underscores")
    if not folder.is_dir():
        raise Invalid(f"{folder} is not there: this is for a source tree of llmchat, at its root")
    number = max((int(path.name[:4]) for path in folder.glob("[0-9][0-9][0-9][0-9]_*.py")), default=0) + 1
    path = folder / f"{number:04}_{name}.py"
    path.write_text(_TEMPLATE, encoding="utf-8")
    print_note(Console(), f"{path} is yours to fill in")


async def _follow(service: str, steps: AsyncIterator[MigrationRecord], otherwise: str) -> None:
    """A line for each state that a migration comes to; the pages in between pass by."""
    console = Console(highlight=False)
    told = (0, MIGRATION_STATE_PENDING)
    with console.status(service) as status:
        async for record in steps:
            read, rewritten, rolled_back = (
                sum(getattr(progress, what) for progress in record.progress)
                for what in ("read", "rewritten", "rolled_back")
            )
            state = MigrationState.Name(record.state).removeprefix("MIGRATION_STATE_").lower().replace("_", " ")
            counts = f"{rewritten:,} of {read:,} documents rewritten"
            if rolled_back:
                counts += f", {rolled_back:,} rolled back"
            line = f"{service} {record.id}_{record.name}: {state}, {counts}"
            status.update(line)
            if (record.number, record.state) != told:
                told = (record.number, record.state)
                console.print(Text(printable(line)), soft_wrap=True)
    if told == (0, MIGRATION_STATE_PENDING):
        print_note(console, f"{service} {otherwise}")
