"""`llmchat rules`: what Google's databases have to be told before they hold anything of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from libs.client.commands.modules import run_module


def rules(
    folder: Annotated[Path, typer.Argument(help="The folder for the files; it is made.")] = Path("deploy/firebase"),
    path: Annotated[str, typer.Option(help="The path of the Realtime Database's URL: rtdb://HOST/PATH.")] = "",
) -> None:
    """Write the rules and indexes of Realtime Database and Firestore, for `firebase deploy`.

    They come from what the services declare. `llmchat init` deploys them by itself.
    """
    run_module("services.firebase_rules", str(folder), "--path", path, settings={})
