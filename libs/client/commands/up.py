"""`llmchat up`: the server in the foreground, as one process or as many."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from libs.client.apart import Apart
from libs.client.commands.connection import DEFAULT_ADDRESS
from libs.client.printing import print_note
from libs.client.server_process import free_ports, serving
from libs.client.tables import replicas_table
from libs.common.errors import Invalid, Unavailable
from libs.common.settings import address_setting

_SQLITE = "sqlite:///"
_NO_BUS = "memory://"


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port to listen on; 0 for a free one.")] = None,
    data: Annotated[str, typer.Option(help="The folder for the data.")] = "",
    apart: Annotated[bool, typer.Option("--apart", help="Each service as a process of its own, and a Redis.")] = False,
    replicas: Annotated[int, typer.Option(min=1, help="With --apart: how many processes of each service.")] = 1,
) -> None:
    """Start the server: all services in one process, with SQLite files in one folder.

    Its settings come from the environment (LLMCHAT_...); the options here go before them. With --apart the services
    listen on consecutive ports, share the folder, and are started again when they die.
    """
    address = os.environ.get("LLMCHAT_LISTEN", DEFAULT_ADDRESS)
    if port is not None:
        address = f"{address.rpartition(':')[0]}:{port or free_ports(1)[0]}"
    store = f"{_SQLITE}{data}" if data else os.environ.get("LLMCHAT_STORE_URL", f"{_SQLITE}./data")
    console = Console(highlight=False)
    if not apart:
        if replicas > 1:
            raise Invalid("--replicas goes with --apart")
        asyncio.run(_until_asked(_up(address, store, console)))
    else:
        first_port = int(address.rpartition(":")[2]) if port != 0 else 0
        asyncio.run(_until_asked(_up_apart(first_port, store, replicas, console)))
    print_note(console, "stopped")


async def _until_asked(work: Awaitable[None]) -> None:
    """Cancels `work` at the first signal to stop, and lets it end in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def ask() -> None:
        # A second one would interrupt the orderly end.
        if not asked.is_set():
            asked.set()
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked.is_set():
            raise


async def _up(address: str, store: str, console: Console) -> None:
    async with serving(address, {"LLMCHAT_STORE_URL": store}) as process:
        console.print(f"[bold green]llmchat[/] serves at [bold]{address}[/]", soft_wrap=True)
        print_note(console, f"data in {store.removeprefix(_SQLITE)} · Ctrl-C stops it · `llmchat chat` talks to it")
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                print_note(console, "stopping: running answers are kept as far as they are written")
        raise Unavailable(f"the server ended by itself with code {process.returncode}")


async def _up_apart(first_port: int, store: str, replicas: int, console: Console) -> None:
    folder = store.removeprefix(_SQLITE)
    if folder == store:
        raise Invalid("services apart share a data folder: --data FOLDER, or LLMCHAT_STORE_URL=sqlite:///FOLDER")
    bus_url = os.environ.get("LLMCHAT_BUS_URL", _NO_BUS)
    apart = Apart(
        Path(folder),
        replicas=replicas,
        first_port=first_port,
        bus_url="" if bus_url == _NO_BUS else bus_url,
        tell=lambda line: print_note(console, line),
    )
    async with apart:
        console.print(replicas_table(apart.replicas.values()))
        exports = " ".join(f"{address_setting(name)}={places}" for name, places in apart.addresses.items())
        console.print(f"\nexport {exports}\n", soft_wrap=True)
        print_note(
            console, f"the line above tells `llmchat chat` where they are · data and logs in {folder} · Ctrl-C stops"
        )
        try:
            await asyncio.Event().wait()
        finally:
            print_note(console, "stopping: running answers are kept as far as they are written")
