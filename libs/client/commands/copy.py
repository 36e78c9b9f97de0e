"""`llmchat copy`: everything that is stored, moved to another engine."""

from __future__ import annotations

from typing import Annotated

import typer

from libs.client.commands.modules import run_module

_FROM, _TO = "LLMCHAT_COPY_FROM", "LLMCHAT_COPY_TO"


def copy(
    source: Annotated[
        str, typer.Option("--from", metavar="URL", envvar=_FROM, help="Where the documents are, as LLMCHAT_STORE_URL.")
    ],
    destination: Annotated[
        str, typer.Option("--to", metavar="URL", envvar=_TO, help="Where they go: an empty place, of any engine.")
    ],
    service: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="The documents of this service alone; may be repeated.")
    ] = None,
) -> None:
    """Copy everything that is stored to another engine, then compare both sides; exit code 1 if they are not equal.

    Stop what writes to the source first; it may be read meanwhile. A copy that was interrupted goes on when it is
    begun again. A URL that holds a password is better said by LLMCHAT_COPY_FROM and LLMCHAT_COPY_TO.
    """
    chosen = [word for name in service or () for word in ("--service", name)]
    run_module("services.copy", *chosen, settings={_FROM: source, _TO: destination})
