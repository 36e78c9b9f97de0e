"""`llmchat export`: everything of a person as one file."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from llmchat.operations.v1.operations_service_pb2 import EXPORT_FORMAT_CSV, EXPORT_FORMAT_JSON_LINES, ExportFormat

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, signed_in
from libs.common.errors import Invalid

Csv = Annotated[bool, typer.Option("--csv", help="A row per value (RFC 4180) in place of a JSON object per document.")]


def export(csv: Csv = False, address: Address = DEFAULT_ADDRESS) -> None:
    """Write everything of yours, from all services and without secrets, to the standard output."""
    require_file()
    with signed_in(address) as (runner, client):
        runner.run(write(client.export(format_of(csv))))


def format_of(csv: bool) -> ExportFormat:
    """The format that the option names."""
    return EXPORT_FORMAT_CSV if csv else EXPORT_FORMAT_JSON_LINES


def require_file() -> None:
    """Returns where the standard output is a file or a pipe: what people wrote must not command a terminal.

    Raises:
        Invalid: it is a terminal.
    """
    if sys.stdout.isatty():
        raise Invalid("an export is not shown on a terminal: send it into a file with `> FILE`")


async def write(pieces: AsyncIterator[bytes]) -> None:
    """Writes the pieces of a file to the standard output as they come."""
    async for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
