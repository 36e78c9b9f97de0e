"""`llmchat up`: the embedded server in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS
from libs.client.printing import print_note
from libs.client.server_process import free_port, serving
from libs.common.errors import Unavailable


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port to listen on; 0 for a free one.")] = None,
    data: Annotated[str, typer.Option(help="The folder for the data.")] = "",
) -> None:
    """Start the server: all services in one process, with SQLite files in one folder.

    Its settings come from the environment (LLMCHAT_...); the options here go before them.
    """
    address = os.environ.get("LLMCHAT_LISTEN", DEFAULT_ADDRESS)
    if port is not None:
        address = f"{address.rpartition(':')[0]}:{port or free_port()}"
    store = f"sqlite:///{data}" if data else os.environ.get("LLMCHAT_STORE_URL", "sqlite:///./data")
    asyncio.run(_up(address, store))


async def _up(address: str, store: str) -> None:
    console = Console(highlight=False)
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_stop.set)
    stop = asyncio.create_task(asked_to_stop.wait())
    async with serving(address, {"LLMCHAT_STORE_URL": store}) as process:
        console.print(f"[bold green]llmchat[/] serves at [bold]{address}[/]", soft_wrap=True)
        print_note(
            console, f"data in {store.removeprefix('sqlite:///')} · Ctrl-C stops it · `llmchat chat` talks to it"
        )
        ended = asyncio.create_task(process.wait())
        await asyncio.wait((stop, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise Unavailable(f"the server ended by itself with code {process.returncode}")
        print_note(console, "stopping: running answers are kept as far as they are written")
    ended.cancel()
    print_note(console, "stopped")


def _place(store: str) -> str:
    """Where the data is, without what a URL may hold of a password."""
    scheme, _, rest = store.partition("://")
    return rest.removeprefix("/") if scheme == "sqlite" else scheme
