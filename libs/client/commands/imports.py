"""`llmchat import`, `llmchat export-threads`: conversations from elsewhere, and as a file to take elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from llmchat.threads.v1.threads_service_pb2 import (
    CONVERSATION_FORMAT_CHATGPT,
    CONVERSATION_FORMAT_CLAUDE,
    ConversationFormat,
    ImportedThread,
)
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, signed_in
from libs.client.commands.export import require_file, write
from libs.client.printing import print_error, print_note
from libs.common.errors import Invalid

# Bytes within which a file of either format says which it is.
_HEAD = 64 * 1024


class Format(Enum):
    """Whose export a file is, or is to be like."""

    CHATGPT = "chatgpt"
    CLAUDE = "claude"

    @property
    def code(self) -> ConversationFormat:
        """As requests have it."""
        return CONVERSATION_FORMAT_CHATGPT if self is Format.CHATGPT else CONVERSATION_FORMAT_CLAUDE


def import_threads(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The `conversations.json` of an export.")],
    format: Annotated[Format | None, typer.Option(help="Whose export it is; left out: as the file looks.")] = None,
    model: Annotated[
        str, typer.Option(help="For conversations whose own is not to be had here; left out: your default.")
    ] = "",
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Take over conversations from an export of ChatGPT or Claude. What is there already is left as it is."""
    known = format or _format_of(file)
    with signed_in(address) as (runner, client):
        taken = runner.run(client.import_threads(file, known.code, model_id=model))
    _print(Console(highlight=False), taken)
    if any(one.error for one in taken):
        raise typer.Exit(1)


def export_threads(
    threads: Annotated[list[str] | None, typer.Argument(help="Conversations by their ids; left out: all.")] = None,
    format: Annotated[Format, typer.Option(help="Claude's has no branches: what is shown is in it.")] = Format.CHATGPT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else the standard output.")] = None,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Write conversations into a file that `llmchat import` takes."""
    if output is None:
        require_file()
    with signed_in(address) as (runner, client):
        pieces = client.export_threads(format.code, threads or ())
        runner.run(write(pieces) if output is None else _write_to(output, pieces))


def _format_of(file: Path) -> Format:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    found = [
        form for form, word in ((Format.CHATGPT, b'"mapping"'), (Format.CLAUDE, b'"chat_messages"')) if word in head
    ]
    if len(found) != 1:
        raise Invalid(f"{file} does not look like an export of ChatGPT or Claude: say which with --format")
    return found[0]


def _print(console: Console, taken: Sequence[ImportedThread]) -> None:
    fresh = [one for one in taken if one.thread_id and not one.existed]
    print_note(console, f"{len(fresh)} conversations with {sum(one.messages for one in fresh)} messages are taken over")
    if existed := sum(one.existed for one in taken):
        print_note(console, f"{existed} were there already")
    for one in taken:
        if one.error:
            print_error(Console(stderr=True, highlight=False), f"{one.source_id}: {one.error}")


async def _write_to(file: Path, pieces: AsyncIterator[bytes]) -> None:
    """The file is there once it is whole."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as opened:
            async for piece in pieces:
                opened.write(piece)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
