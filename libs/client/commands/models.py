"""`llmchat model load`: a local model that somebody wants to talk with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import typer
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_CANCELLED, OPERATION_STATUS_FAILED, Operation
from rich.console import Console

from libs.client.commands.connection import DEFAULT_ADDRESS, Address, signed_in
from libs.client.printing import print_note
from libs.common.errors import Precondition


def load(
    model: Annotated[str, typer.Argument(help="A model's id.")],
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Have a model of this machine fetched and loaded, and watch it come. It goes on coming without you."""
    console = Console(highlight=False)
    with signed_in(address) as (runner, client):
        operation = runner.run(client.load_model(model))
        runner.run(_follow(client.watch_operation(operation.id), console))
    print_note(console, f"{model} is loaded")


async def _follow(states: AsyncIterator[Operation], console: Console) -> None:
    told = -1
    async for operation in states:
        if operation.progress > told:
            told = operation.progress
            print_note(console, f"{told} %")
        if operation.status == OPERATION_STATUS_FAILED:
            raise Precondition(f"{operation.error.message} ({operation.error.code})")
        if operation.status == OPERATION_STATUS_CANCELLED:
            raise Precondition("the loading was cancelled")
