"""Copies everything that is stored to another engine: `python -m services.copy`, which `llmchat copy` starts.

From where and to where is said by LLMCHAT_COPY_FROM and LLMCHAT_COPY_TO: URLs hold passwords, and anybody may read a
command line. The source may be read by others meanwhile. It may not be written to: what a writer changes behind the
copy's back is found at the end, when both sides are read once more, and the copy is then said to be unequal.

All of a service's collections are copied, leases and what expires among them: a lease reminds of what a process that
died has left to do, and either goes by the time that stands in it, wherever it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from libs.common.errors import Invalid, NotFound, Precondition
from libs.common.folder import hold_folder
from libs.common.main import failing_in_one_line
from libs.common.store.copying import Begun, Contents, begun, contents, copy
from libs.common.store.open import folder_of, open_engine
from libs.common.store.port import CollectionSpec, Query, Store
from services.owned import OWNED, held_by

FROM, TO = "LLMCHAT_COPY_FROM", "LLMCHAT_COPY_TO"
_IN_MEMORY = "memory://"
_SHOWN = 16  # digits of a hash


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection on its way: where its copy stood, and how many documents there are."""

    service: str
    spec: CollectionSpec[Any]
    source: Store
    destination: Store
    begun: Begun
    documents: int

    @property
    def name(self) -> str:
        """As it is told: `messages.message_chunks`."""
        return f"{self.service}.{self.spec.name}"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a collection's source and its destination hold in the end."""

    name: str
    source: Contents
    destination: Contents

    @property
    def is_equal(self) -> bool:
        """Whether they hold the same documents at the same revisions."""
        return self.source == self.destination


async def copy_all(source_url: str, destination_url: str, services: Sequence[str], console: Console) -> list[Compared]:
    """Copies what is not there yet, then reads both sides and compares them. Killed and begun again, it goes on.

    Raises:
        Invalid: both are the same place, one of them keeps nothing, or a URL is malformed.
        NotFound: the source is a folder that does not exist.
        Precondition: the source holds nothing (reason NOTHING_TO_COPY), or the destination holds documents that are
            not the beginning of the source's (reason HOLDS_OTHERS). Nothing is written then.
        Conflict: another copy writes to the destination.
        Unavailable: an engine cannot be reached; begun again, the copy goes on.
    """
    _check(source_url, destination_url)
    async with AsyncExitStack() as stack:
        if (folder := folder_of(destination_url)) is not None:
            stack.enter_context(hold_folder(folder, exclusive=True))
        progress = stack.enter_context(_progress(console))
        collections = await _begin(stack, source_url, destination_url, services, progress)
        await _copy(collections, progress)
        return await _compare(collections, progress)


async def _begin(
    stack: AsyncExitStack, source_url: str, destination_url: str, services: Sequence[str], progress: Progress
) -> list[Collection]:
    """All collections, looked at on both sides before anything is written."""
    looking = progress.add_task("looking at both", total=None)
    collections = []
    for service in services:
        source, destination = [await _open(stack, url, service) for url in (source_url, destination_url)]
        for spec in held_by(service):
            stands = await begun(source, destination, spec)
            documents = await source.count(Query.by_id(spec))
            collections.append(Collection(service, spec, source, destination, stands, documents))
    progress.remove_task(looking)
    if not any(one.documents for one in collections):
        raise Precondition("the source holds no document: nothing is copied", reason="NOTHING_TO_COPY")
    return collections


async def _copy(collections: Sequence[Collection], progress: Progress) -> None:
    documents, there = sum(one.documents for one in collections), sum(one.begun.documents for one in collections)
    task = progress.add_task("copying", total=documents, completed=there)
    for one in collections:
        progress.update(task, description=f"copying {one.name}")
        await copy(one.source, one.destination, one.spec, one.begun, copied=partial(progress.advance, task))
    progress.update(task, description="copied")


async def _compare(collections: Sequence[Collection], progress: Progress) -> list[Compared]:
    task = progress.add_task("comparing", total=2 * sum(one.documents for one in collections))
    compared = []
    for one in collections:
        progress.update(task, description=f"comparing {one.name}")
        read = partial(progress.advance, task)
        sides = (contents(store, one.spec, read=read) for store in (one.source, one.destination))
        compared.append(Compared(one.name, *await asyncio.gather(*sides)))
    progress.update(task, description="compared")
    return compared


async def _open(stack: AsyncExitStack, url: str, service: str) -> Store:
    store = await open_engine(url, service, held_by(service))
    stack.push_async_callback(store.close)
    return store


def _check(source_url: str, destination_url: str) -> None:
    if _IN_MEMORY in (source_url, destination_url):
        raise Invalid(f"{_IN_MEMORY} keeps nothing: there is nothing to copy from it, or to it")
    source, destination = folder_of(source_url), folder_of(destination_url)
    if source is not None and not source.is_dir():
        # An engine would make it.
        raise NotFound("data folder", str(source))
    if source_url == destination_url or (source and destination and source.resolve() == destination.resolve()):
        raise Invalid("the source and the destination are the same place")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


def _table(compared: Sequence[Compared]) -> Table:
    table = Table("collection", "documents", "SHA-256", "in the destination", box=None)
    for one in compared:
        if one.is_equal and not one.source.documents:
            continue
        told = "equal" if one.is_equal else f"{one.destination.documents:,} documents, {_hash(one.destination)}"
        style = "" if one.is_equal else "bold red"
        table.add_row(one.name, f"{one.source.documents:,}", _hash(one.source), told, style=style)
    return table


def _hash(held: Contents) -> str:
    return held.sha256[:_SHOWN]


def main() -> None:
    """Reads the command line and the two URLs; what fails or is unequal is told and ends with exit code 1."""
    parser = argparse.ArgumentParser(
        prog="python -m services.copy", description="Copy all documents to another engine."
    )
    parser.add_argument("--service", choices=tuple(OWNED), action="append", help="this one alone; may be repeated")
    services = parser.parse_args().service or list(OWNED)
    source, destination = (os.environ.get(name, "") for name in (FROM, TO))
    console = Console(highlight=False)
    with failing_in_one_line():
        compared = asyncio.run(copy_all(source, destination, services, console))
    console.print(_table(compared))
    if unequal := [one.name for one in compared if not one.is_equal]:
        sys.exit(f"llmchat: not equal: {', '.join(unequal)}; was the source written to meanwhile?")
    documents = sum(one.source.documents for one in compared)
    console.print(f"{documents:,} documents in {len(compared)} collections are equal on both sides")
    if (folder := folder_of(source)) is not None and (folder / "secret.key").exists():
        console.print(
            f"the secret key that they are read with stays in {folder}: copy the file secret.key to another folder, or"
            " set LLMCHAT_SECRET_KEY to what `llmchat secret --show` prints",
            soft_wrap=True,
        )


if __name__ == "__main__":
    main()
