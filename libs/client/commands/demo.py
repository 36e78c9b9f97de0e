"""`llmchat demo`: a server of its own and a first conversation, with nothing to set up."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from libs.client.client import Client
from libs.client.commands.scripted import converse_by_script
from libs.client.conversation import Conversation, converse
from libs.client.printing import print_note
from libs.client.server_process import free_ports, serving
from libs.common.settings import SERVICES

# Tokens a second: slow enough to be seen arriving.
_PACE = 30


def demo(
    data: Annotated[
        str, typer.Option(help="The folder for the data; by default ./data/demo on a terminal, else a passing one.")
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of the server; 0 for a free one.")] = 0,
    script: Annotated[bool, typer.Option("--script", help="The scripted conversation even on a terminal.")] = False,
) -> None:
    """Start a server and hold a conversation: yours on a terminal, a scripted one without.

    The scripted one drops its connection in the middle of an answer, resumes, and checks that nothing is missing.
    """
    address = f"127.0.0.1:{port or free_ports(1)[0]}"
    # Ending without a farewell would leave the server running.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not script
    console = Console(highlight=False)
    with _folder(data, passing=not interactive) as folder, asyncio.Runner() as runner:
        settings = {
            "LLMCHAT_STORE_URL": f"sqlite:///{folder}",
            "LLMCHAT_ECHO_TOKENS_PER_SECOND": str(_PACE),
        }
        stack = AsyncExitStack()
        try:
            print_note(console, f"starting a server of its own at {address}, data in {folder}")
            runner.run(_enter(stack, address, settings, folder / "server.log"))
            if interactive:
                _converse(runner, address, console)
            else:
                runner.run(converse_by_script(dict.fromkeys(SERVICES, address), console))
        finally:
            runner.run(stack.aclose())
        print_note(console, "the server has stopped")


async def _enter(stack: AsyncExitStack, address: str, settings: dict[str, str], log: Path) -> None:
    await stack.enter_async_context(serving(address, settings, log=log))


def _converse(runner: asyncio.Runner, address: str, console: Console) -> None:
    client = runner.run(_passing_account(address))
    console.print("\n[bold]Welcome to llmchat.[/] Type something: the model [green]echo[/] repeats it, token by token.")
    print_note(
        console,
        "What you see is stored before you see it. Ctrl-C stops an answer, Ctrl-D leaves, /help lists more.\n"
        f"Another terminal may look on:  grpcurl -plaintext {address} list\n",
    )
    try:
        converse(runner, Conversation(client, console, model="echo"), console)
    finally:
        runner.run(client.close())


async def _passing_account(address: str) -> Client:
    client = Client(address)
    username, password = f"demo-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(16)
    await client.register(username, "Demo", password)
    await client.login(username, password)
    return client


@contextmanager
def _folder(data: str, *, passing: bool) -> Iterator[Path]:
    if data or not passing:
        yield Path(data or "data/demo")
        return
    with tempfile.TemporaryDirectory(prefix="llmchat-demo-") as folder:
        yield Path(folder)
